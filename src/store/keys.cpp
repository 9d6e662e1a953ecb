#include "store/keys.h"

#include "store/columns.h"

namespace maru::store {
namespace {

constexpr const char* kSelect =
    "SELECT id, user_id, project_id, name, prefix, hash, scopes, created_at, expires_at, "
    "last_used_at, revoked_at FROM api_keys ";

ApiKey read_key(const Row& row) {
  return {row.text(0),
          row.text(1),
          row.text_or_empty(2),
          row.text(3),
          row.text(4),
          row.text(5),
          row.text(6),
          row.integer(7),
          optional_integer(row, 8),
          optional_integer(row, 9),
          optional_integer(row, 10)};
}

Result<std::vector<ApiKey>> select_keys(Transaction& transaction, const std::string& where,
                                        std::initializer_list<Value> parameters) {
  MARU_ASSIGN_OR_RETURN(const auto rows, transaction.query(kSelect + where, parameters));
  std::vector<ApiKey> keys;
  for (const Row& row : rows) keys.push_back(read_key(row));
  return keys;
}

Result<std::optional<ApiKey>> select_key(Transaction& transaction, const std::string& where,
                                         std::initializer_list<Value> parameters) {
  MARU_ASSIGN_OR_RETURN(auto keys, select_keys(transaction, where, parameters));
  if (keys.empty()) return std::optional<ApiKey>();
  return std::optional(std::move(keys[0]));
}

}  // namespace

Status add_key(Transaction& transaction, const ApiKey& key) {
  MARU_RETURN_IF_ERROR(transaction.execute(
      "INSERT INTO api_keys (id, user_id, project_id, name, prefix, hash, scopes, created_at, "
      "expires_at, last_used_at, revoked_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      {key.id, key.user_id, text_or_null(key.project_id), key.name, key.prefix, key.hash,
       key.scopes, key.created_at, integer_or_null(key.expires_at),
       integer_or_null(key.last_used_at), integer_or_null(key.revoked_at)}));
  return {};
}

Result<std::optional<ApiKey>> find_key_by_hash(Transaction& transaction, std::string_view hash) {
  return select_key(transaction, "WHERE hash = ?", {std::string(hash)});
}

Result<std::vector<ApiKey>> list_keys_of(Transaction& transaction, std::string_view user_id) {
  return select_keys(transaction, "WHERE user_id = ? ORDER BY created_at DESC, id",
                     {std::string(user_id)});
}

Result<std::optional<ApiKey>> find_key_of(Transaction& transaction, std::string_view user_id,
                                          std::string_view id) {
  return select_key(transaction, "WHERE user_id = ? AND id = ?",
                    {std::string(user_id), std::string(id)});
}

Result<std::vector<ApiKey>> list_all_keys(Transaction& transaction) {
  return select_keys(transaction, "ORDER BY created_at DESC, id", {});
}

Result<std::optional<ApiKey>> find_any_key(Transaction& transaction, std::string_view id) {
  return select_key(transaction, "WHERE id = ?", {std::string(id)});
}

Result<bool> revoke_key(Transaction& transaction, std::string_view id, int64_t now) {
  MARU_ASSIGN_OR_RETURN(
      const int64_t n,
      transaction.execute("UPDATE api_keys SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL",
                          {now, std::string(id)}));
  return n > 0;
}

Status touch_key(Transaction& transaction, std::string_view id, int64_t now) {
  MARU_RETURN_IF_ERROR(transaction.execute("UPDATE api_keys SET last_used_at = ? WHERE id = ?",
                                           {now, std::string(id)}));
  return {};
}

}  // namespace maru::store
