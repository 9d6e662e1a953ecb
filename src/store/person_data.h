// Everything that a person keeps in chats and beside them, at once.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/chats.h"
#include "store/database.h"

namespace maru::store {

// Also temporary and archived ones, the oldest first.
Result<std::vector<Chat>> list_every_chat(Transaction& transaction, std::string_view user_id);

// Chats with their messages, words, feedback and shares; folders, files, assistants, memories and
// preferences. What accounts and metering keep stays.
Status remove_person_data(Transaction& transaction, std::string_view user_id);

// Temporary chats of everybody that were last changed before `before`. Returns how many.
Result<int64_t> remove_temporary_chats(Transaction& transaction, int64_t before);

}  // namespace maru::store
