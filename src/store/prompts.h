// Prompts that a person keeps to use them again. Every function takes the person's id and finds
// nothing of others.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/database.h"

namespace maru::store {

struct SavedPrompt {
  std::string id = {}, user_id = {};
  std::string name = {}, content = {};
  int64_t created_at = 0, updated_at = 0;
};

Status add_prompt(Transaction& transaction, const SavedPrompt& prompt);
// By name.
Result<std::vector<SavedPrompt>> list_prompts(Transaction& transaction, std::string_view user_id);
// Name and content. False if the person has no such prompt.
Result<bool> update_prompt(Transaction& transaction, const SavedPrompt& prompt);
Result<bool> remove_prompt(Transaction& transaction, std::string_view user_id, std::string_view id);

}  // namespace maru::store
