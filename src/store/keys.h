// API keys. A key itself is never stored: its SHA-256 finds it (it has 256 random bits, so a slow
// hash would add nothing), its first characters let people recognise it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/database.h"

namespace maru::store {

struct ApiKey {
  std::string id;
  std::string user_id;
  std::string project_id;  // empty: none
  std::string name;
  std::string prefix;
  std::string hash;    // 64 hexadecimal digits
  std::string scopes;  // names with spaces between them
  int64_t created_at = 0;
  std::optional<int64_t> expires_at, last_used_at, revoked_at;
};

Status add_key(Transaction& transaction, const ApiKey& key);
// Also expired and revoked ones.
Result<std::optional<ApiKey>> find_key_by_hash(Transaction& transaction, std::string_view hash);

// The user's own; newest first. Nothing of others is found.
Result<std::vector<ApiKey>> list_keys_of(Transaction& transaction, std::string_view user_id);
Result<std::optional<ApiKey>> find_key_of(Transaction& transaction, std::string_view user_id,
                                          std::string_view id);

// Everybody's: for administrators.
Result<std::vector<ApiKey>> list_all_keys(Transaction& transaction);
Result<std::optional<ApiKey>> find_any_key(Transaction& transaction, std::string_view id);

// Sets revoked_at. False if there is no such key or it is revoked already.
Result<bool> revoke_key(Transaction& transaction, std::string_view id, int64_t now);
Status touch_key(Transaction& transaction, std::string_view id, int64_t now);

}  // namespace maru::store
