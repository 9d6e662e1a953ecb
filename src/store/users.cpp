#include "store/users.h"

#include "store/columns.h"

namespace maru::store {
namespace {

constexpr const char* kSelect =
    "SELECT id, name, display_name, role, password_hash, language, created_at, disabled_at "
    "FROM users ";

User read_user(const Row& row) {
  return {row.text(0),          row.text(1), row.text(2),    row.text(3),
          row.text_or_empty(4), row.text(5), row.integer(6), optional_integer(row, 7)};
}

Result<std::optional<User>> find_one(Transaction& transaction, const std::string& where,
                                     std::string_view value) {
  MARU_ASSIGN_OR_RETURN(const auto rows, transaction.query(kSelect + where, {std::string(value)}));
  if (rows.empty()) return std::optional<User>();
  return std::optional(read_user(rows[0]));
}

}  // namespace

Status add_user(Transaction& transaction, const User& user) {
  MARU_RETURN_IF_ERROR(transaction.execute(
      "INSERT INTO users (id, name, display_name, role, password_hash, language, created_at, "
      "disabled_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
      {user.id, user.name, user.display_name, user.role, text_or_null(user.password_hash),
       user.language, user.created_at, integer_or_null(user.disabled_at)}));
  return {};
}

Result<bool> any_user(Transaction& transaction) {
  MARU_ASSIGN_OR_RETURN(const auto rows, transaction.query("SELECT 1 FROM users LIMIT 1"));
  return !rows.empty();
}

Result<std::optional<User>> find_user(Transaction& transaction, std::string_view id) {
  return find_one(transaction, "WHERE id = ?", id);
}

Result<std::optional<User>> find_user_by_name(Transaction& transaction, std::string_view name) {
  return find_one(transaction, "WHERE name = ?", name);
}

Result<std::vector<User>> list_users(Transaction& transaction) {
  MARU_ASSIGN_OR_RETURN(const auto rows, transaction.query(std::string(kSelect) + "ORDER BY name"));
  std::vector<User> users;
  for (const Row& row : rows) users.push_back(read_user(row));
  return users;
}

Result<bool> update_user(Transaction& transaction, const User& user) {
  MARU_ASSIGN_OR_RETURN(
      const int64_t n,
      transaction.execute("UPDATE users SET display_name = ?, role = ?, password_hash = ?, "
                          "language = ?, disabled_at = ? WHERE id = ?",
                          {user.display_name, user.role, text_or_null(user.password_hash),
                           user.language, integer_or_null(user.disabled_at), user.id}));
  return n > 0;
}

Result<int64_t> count_admins(Transaction& transaction) {
  MARU_ASSIGN_OR_RETURN(
      const auto rows,
      transaction.query("SELECT COUNT(*) FROM users WHERE role = 'admin' AND disabled_at IS NULL"));
  return rows[0].integer(0);
}

}  // namespace maru::store
