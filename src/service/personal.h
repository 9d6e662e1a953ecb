// What people keep beside their chats: files, feedback, assistants, memories, shares, settings; and
// everything of a person at once, to take along or to delete. `owner` as in service/chats.h.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "service/changes.h"
#include "service/chat_settings.h"
#include "service/clock.h"
#include "service/identity.h"
#include "store/assistants.h"
#include "store/chats.h"
#include "store/feedback.h"
#include "store/files.h"
#include "store/memories.h"
#include "store/messages.h"
#include "store/prompts.h"
#include "store/shares.h"

namespace maru::service {

using store::Assistant;
using store::Feedback;
using store::File;
using store::Memory;
using store::SavedPrompt;
using store::Share;

inline constexpr size_t kMaxFileBytes = size_t{20} << 20, kMaxBytesOfFiles = size_t{1} << 30;
inline constexpr size_t kMaxNameCharacters = 200, kMaxInstructionCharacters = 100'000;
inline constexpr size_t kMaxMemoryCharacters = 4'000, kMaxMemories = 500, kMaxAssistants = 500;
inline constexpr size_t kMaxPictureBytes = 64 << 10, kMaxStarters = 8, kMaxStarterCharacters = 500;
inline constexpr size_t kMaxPrompts = 1'000, kMaxPromptCharacters = 20'000;

struct FeedbackWish {
  std::string message_id = {}, kind = {};
  std::string detail = "{}";  // JSON object
};
struct AssistantWish {
  std::string name = {}, instructions = {};
  std::string group_id = {};  // of the person's groups; empty: private
  std::string picture = {};   // at most 16 characters, or data:image/(png|jpeg|webp);base64,...
  std::vector<std::string> starters = {};
  ChatSettings settings = {};
};
// How often answers of one model were put over another's, as all people of the server voted.
struct VoteCount {
  std::string topic = {}, model = {}, over = {};
  int64_t wins = 0, ties = 0;  // ties: both were as good; counted once for the pair
};
struct SharedBranch {
  Share share;
  std::string title;
  std::vector<store::Message> messages;
};

// Thread-safe; waits for the disk. Errors: kNotFound, kInvalidArgument with `param`, kForbidden (a
// group of others), kConflict (there are too many), those of the store.
class Personal {
 public:
  Personal(std::shared_ptr<store::Database> database, std::shared_ptr<Changes> changes,
           Clock clock = unix_milliseconds);

  Result<File> add_file(const std::string& owner, const std::string& name,
                        const std::string& media_type, std::string content);
  Result<File> find_file(const std::string& owner, const std::string& id) const;
  Result<std::string> read_file(const std::string& owner, const std::string& id) const;
  Result<std::vector<File>> list_files(const std::string& owner) const;
  Status remove_file(const std::string& owner, const std::string& id);

  Result<Feedback> add_feedback(const std::string& owner, const FeedbackWish& wish);
  // Of one message, or of all if the id is empty.
  Result<std::vector<Feedback>> list_feedback(const std::string& owner,
                                              const std::string& message_id) const;
  Result<std::vector<Feedback>> list_feedback_of_chat(const std::string& owner,
                                                      const std::string& chat_id) const;
  Status remove_feedback(const std::string& owner, const std::string& id);
  // Of models that the caller may use.
  Result<std::vector<VoteCount>> count_votes(const Identity& identity) const;

  Result<Assistant> add_assistant(const Identity& identity, const AssistantWish& wish);
  Result<Assistant> find_assistant(const Identity& identity, const std::string& id) const;
  Result<std::vector<Assistant>> list_assistants(const Identity& identity) const;
  // The owner's only.
  Result<Assistant> change_assistant(const Identity& identity, const std::string& id,
                                     const AssistantWish& wish);
  Status remove_assistant(const std::string& owner, const std::string& id);

  Result<Memory> add_memory(const std::string& owner, const std::string& content);
  Result<std::vector<Memory>> list_memories(const std::string& owner) const;
  Status change_memory(const std::string& owner, const std::string& id, const std::string& content);
  Status remove_memory(const std::string& owner, const std::string& id);

  Result<SavedPrompt> add_prompt(const std::string& owner, const std::string& name,
                                 const std::string& content);
  Result<std::vector<SavedPrompt>> list_prompts(const std::string& owner) const;
  Status change_prompt(const std::string& owner, const std::string& id, const std::string& name,
                       const std::string& content);
  Status remove_prompt(const std::string& owner, const std::string& id);

  Result<ChatSettings> settings(const std::string& owner) const;
  Status change_settings(const std::string& owner, const ChatSettings& settings);

  Result<Share> add_share(const std::string& owner, const std::string& message_id);
  Result<std::vector<Share>> list_shares(const std::string& owner) const;
  Status remove_share(const std::string& owner, const std::string& id);
  // Anybody's, who is let in and has the token: the branch as it is now.
  Result<SharedBranch> read_share(const std::string& token) const;

  // Everything of the person as the API shows it (docs/chats.md), the bytes of files left out:
  // read_file() gives them.
  struct Everything {
    std::vector<store::Folder> folders;
    std::vector<store::Chat> chats;
    std::vector<store::Message> messages;
    std::vector<File> files;
    std::vector<Feedback> feedback;
    std::vector<Assistant> assistants;
    std::vector<Memory> memories;
    std::vector<Share> shares;
    std::vector<SavedPrompt> prompts;
    ChatSettings settings;
  };
  Result<Everything> everything(const std::string& owner) const;
  // All of it goes; what accounts and metering keep stays.
  Status remove_all(const std::string& owner);

 private:
  std::shared_ptr<store::Database> database_;
  std::shared_ptr<Changes> changes_;
  Clock clock_;
};

}  // namespace maru::service
