// Chats and the folders and tags they are kept in. Every function takes the person's id and finds
// nothing of others.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/database.h"

namespace maru::store {

struct Folder {
  std::string id = {}, user_id = {}, name = {};
  int64_t created_at = 0;
};

struct Chat {
  std::string id = {}, user_id = {}, title = {};
  std::string folder_id = {};   // empty: none
  std::string settings = "{}";  // JSON: model, parameters, assistant
  int64_t created_at = 0, updated_at = 0;
  std::optional<int64_t> pinned_at = {}, archived_at = {};
  bool is_temporary = false;  // not listed, not searched
  std::string leaf_id = {};   // the message whose branch was shown last; empty: none
  std::vector<std::string> tags = {};
};

Status add_folder(Transaction& transaction, const Folder& folder);
Result<std::vector<Folder>> list_folders(Transaction& transaction, std::string_view user_id);
Result<bool> rename_folder(Transaction& transaction, std::string_view user_id, std::string_view id,
                           std::string_view name);
// Its chats stay, without a folder.
Result<bool> remove_folder(Transaction& transaction, std::string_view user_id, std::string_view id);

Status add_chat(Transaction& transaction, const Chat& chat);
Result<std::optional<Chat>> find_chat(Transaction& transaction, std::string_view user_id,
                                      std::string_view id);
// Writes everything but id, owner and creation. False if the person has no such chat or no such
// folder.
Result<bool> update_chat(Transaction& transaction, const Chat& chat);
Result<bool> remove_chat(Transaction& transaction, std::string_view user_id, std::string_view id);

// A place in a list that is ordered by time and id, newest first.
struct Place {
  int64_t at = 0;
  std::string id;
};

struct ChatFilter {
  std::string folder_id = {}, tag = {};  // empty: any
  bool archived = false;
  std::optional<Place> after = {};  // the last one of the page before
  size_t limit = 50;
};
// Without temporary ones, by updated_at.
Result<std::vector<Chat>> list_chats(Transaction& transaction, std::string_view user_id,
                                     const ChatFilter& filter);
// With how many chats have them, by name.
struct TagCount {
  std::string tag;
  int64_t n_chats = 0;
};
Result<std::vector<TagCount>> list_tags(Transaction& transaction, std::string_view user_id);

}  // namespace maru::store
