// People. Times are Unix milliseconds. Thread-safe as the transactions they are given.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/database.h"

namespace maru::store {

struct User {
  std::string id;
  std::string name;  // to log in with, unique
  std::string display_name;
  std::string role;           // "member", "auditor" or "admin"
  std::string password_hash;  // empty: no login by password
  std::string language;       // "en", "ko"; empty: the browser's
  int64_t created_at = 0;
  std::optional<int64_t> disabled_at;
};

// Errors: kConflict (the name is taken).
Status add_user(Transaction& transaction, const User& user);
Result<bool> any_user(Transaction& transaction);
Result<std::optional<User>> find_user(Transaction& transaction, std::string_view id);
Result<std::optional<User>> find_user_by_name(Transaction& transaction, std::string_view name);
Result<std::vector<User>> list_users(Transaction& transaction);  // by name
// Writes all but id, name and created_at. False if there is no such user.
Result<bool> update_user(Transaction& transaction, const User& user);
// Admins who are not disabled.
Result<int64_t> count_admins(Transaction& transaction);

}  // namespace maru::store
