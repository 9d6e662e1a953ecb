// What assistants shall know of a person in every chat, and the settings of a person. Every
// function takes the person's id and finds nothing of others.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/database.h"

namespace maru::store {

struct Memory {
  std::string id = {}, user_id = {}, content = {};
  int64_t created_at = 0, updated_at = 0;
};

Status add_memory(Transaction& transaction, const Memory& memory);
// The oldest first.
Result<std::vector<Memory>> list_memories(Transaction& transaction, std::string_view user_id);
// Content and time of the change.
Result<bool> update_memory(Transaction& transaction, const Memory& memory);
Result<bool> remove_memory(Transaction& transaction, std::string_view user_id, std::string_view id);

// JSON; "{}" until it was written.
Result<std::string> read_preferences(Transaction& transaction, std::string_view user_id);
Status write_preferences(Transaction& transaction, std::string_view user_id,
                         std::string_view content);

}  // namespace maru::store
