// Assistants: instructions and settings that chats begin with, of one person or shared with a
// group. Reading takes the person's id and groups and finds nothing of others; changing takes the
// owner's id.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/database.h"

namespace maru::store {

struct Assistant {
  std::string id = {}, user_id = {};
  std::string group_id = {};  // whose members may use it too; empty: private
  std::string name = {}, instructions = {};
  std::string settings = "{}";  // JSON, as those of a chat
  std::string picture = {};     // a few letters, or an image as a data URL
  std::string starters = "[]";  // JSON: questions to begin with
  int64_t created_at = 0, updated_at = 0;
};

Status add_assistant(Transaction& transaction, const Assistant& assistant);
Result<std::optional<Assistant>> find_assistant(Transaction& transaction, std::string_view user_id,
                                                std::span<const std::string> group_ids,
                                                std::string_view id);
// By name.
Result<std::vector<Assistant>> list_assistants(Transaction& transaction, std::string_view user_id,
                                               std::span<const std::string> group_ids);
// Everything but id, owner and creation. False if the person owns no such assistant.
Result<bool> update_assistant(Transaction& transaction, const Assistant& assistant);
Result<bool> remove_assistant(Transaction& transaction, std::string_view user_id,
                              std::string_view id);

}  // namespace maru::store
