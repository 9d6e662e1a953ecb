// The chats of people: lists, folders, tags, trees of messages, and the search in them. `owner` is
// what owner_of() gives of the caller; nobody finds what is another's (kNotFound). Times are Unix
// milliseconds.
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
#include "store/chats.h"
#include "store/messages.h"
#include "text/search_snippet.h"

namespace maru::service {

using store::Chat;
using store::Folder;
using store::Message;
using store::TagCount;

// Whose things a caller's are: an account's, else an API key's, else those of the machine
// ("local").
std::string owner_of(const Identity& identity);

// The limits of what one person keeps.
inline constexpr size_t kMaxTitleCharacters = 200, kMaxTags = 32, kMaxTagCharacters = 64;
inline constexpr size_t kMaxFolders = 1'000, kMaxMessageCharacters = size_t{1} << 20;
inline constexpr size_t kMaxMessagesOfChat = 10'000, kMaxPage = 200;

struct NewChat {
  std::string title = {}, folder_id = {};  // no title: made of the first message
  ChatSettings settings = {};
  std::vector<std::string> tags = {};
  bool is_temporary = false;  // in no list and no search, gone after a day
};
struct ChatChange {
  std::optional<std::string> title = {}, folder_id = {}, leaf_id = {};  // folder "": none
  std::optional<ChatSettings> settings = {};
  std::optional<std::vector<std::string>> tags = {};
  std::optional<bool> pinned = {}, archived = {};
};
struct ChatQuery {
  std::string folder_id = {}, tag = {}, cursor = {};
  bool archived = false;
  size_t limit = 50;
};
struct ChatPage {
  std::vector<Chat> chats = {};
  std::string next = {};  // the cursor of the page behind; empty: there is none
};

struct NewMessage {
  std::optional<std::string> parent_id = {};  // none: the chat's leaf; "": a new beginning
  std::string role = "user", content = {};
  std::vector<std::string> file_ids = {};
};

// A chat of another program, or of another Maru.
struct ImportedMessage {
  std::optional<size_t> parent = {};  // place of an earlier one; none: a beginning
  std::string role = "user", content = {}, model = {};
  int64_t created_at = 0;  // 0: that of the chat
};
struct ImportedChat {
  std::string title = {};
  int64_t created_at = 0;  // 0: now
  std::vector<ImportedMessage> messages = {};
  std::optional<size_t> leaf = {};  // the message that is shown; none: the last
};

struct FoundMessage {
  std::string message_id = {}, chat_id = {}, chat_title = {};
  int64_t created_at = 0;
  text::SearchSnippet snippet = {};
};
struct SearchPage {
  std::vector<FoundMessage> found = {};
  std::string next = {};
};

// Thread-safe; waits for the disk. Errors: kNotFound, kInvalidArgument with `param`, kConflict,
// those of the store.
class Chats {
 public:
  Chats(std::shared_ptr<store::Database> database, std::shared_ptr<Changes> changes,
        Clock clock = unix_milliseconds);

  Result<Chat> add(const std::string& owner, const NewChat& wish);
  // All of it or nothing. Times that lie ahead become now.
  Result<Chat> import_chat(const std::string& owner, const ImportedChat& wish);
  Result<Chat> find(const std::string& owner, const std::string& id) const;
  Result<ChatPage> list(const std::string& owner, const ChatQuery& query) const;
  Result<Chat> change(const std::string& owner, const std::string& id, const ChatChange& change);
  Status remove(const std::string& owner, const std::string& id);

  Result<Folder> add_folder(const std::string& owner, const std::string& name);
  Result<std::vector<Folder>> list_folders(const std::string& owner) const;
  Status rename_folder(const std::string& owner, const std::string& id, const std::string& name);
  Status remove_folder(const std::string& owner, const std::string& id);
  Result<std::vector<TagCount>> list_tags(const std::string& owner) const;

  // The new message becomes the chat's leaf.
  Result<Message> add_message(const std::string& owner, const std::string& chat_id,
                              const NewMessage& wish);
  // A branch beside the message, with other content.
  Result<Message> edit_message(const std::string& owner, const std::string& id,
                               const std::string& content);
  Result<Message> find_message(const std::string& owner, const std::string& id) const;
  // All branches, in the order in which they came.
  Result<std::vector<Message>> list_messages(const std::string& owner,
                                             const std::string& chat_id) const;
  // From the beginning to the message.
  Result<std::vector<Message>> branch(const std::string& owner, const std::string& id) const;
  // With all that follow it; the leaf moves to its parent if it was among them.
  Status remove_message(const std::string& owner, const std::string& id);

  // The newest first; words as text/search_words.h has them, all of them in each message.
  Result<SearchPage> search(const std::string& owner, const std::string& query,
                            const std::string& cursor, size_t limit) const;

  // Once, before anybody is served: answers that a crash cut short become "stopped", temporary
  // chats of yesterday go.
  Status recover();

 private:
  Result<Message> insert(const std::string& owner, Message message);
  void announce(const std::string& owner, const char* what, const std::string& id,
                const std::string& chat = {}) const;

  std::shared_ptr<store::Database> database_;
  std::shared_ptr<Changes> changes_;
  Clock clock_;
};

// Makes a message findable by its content, unless its chat is temporary.
Status index_content(store::Transaction& transaction, const std::string& owner, const Chat& chat,
                     int64_t seq, const std::string& content);
// The first line of a message in at most 60 whole characters.
std::string title_of(const std::string& content);

Error no_such(const char* what, const std::string& id);
// kInvalidArgument, if `text` is longer or empty where it may not be.
Status check_length(const std::string& text, size_t min, size_t max, const char* param);

}  // namespace maru::service
