#include "store/groups.h"

namespace maru::store {
namespace {

constexpr const char* kSelect = "SELECT id, name, created_at FROM groups ";

Group read_group(const Row& row) { return {row.text(0), row.text(1), row.integer(2)}; }

Result<std::optional<Group>> find_one(Transaction& transaction, const std::string& where,
                                      std::string_view value) {
  MARU_ASSIGN_OR_RETURN(const auto rows, transaction.query(kSelect + where, {std::string(value)}));
  if (rows.empty()) return std::optional<Group>();
  return std::optional(read_group(rows[0]));
}

std::vector<Rule> read_rules(const std::vector<Row>& rows) {
  std::vector<Rule> rules;
  for (const Row& row : rows) rules.push_back({row.text(0), row.text(1)});
  return rules;
}

}  // namespace

Status add_group(Transaction& transaction, const Group& group) {
  MARU_RETURN_IF_ERROR(
      transaction.execute("INSERT INTO groups (id, name, created_at) VALUES (?, ?, ?)",
                          {group.id, group.name, group.created_at}));
  return {};
}

Result<std::optional<Group>> find_group(Transaction& transaction, std::string_view id) {
  return find_one(transaction, "WHERE id = ?", id);
}

Result<std::optional<Group>> find_group_by_name(Transaction& transaction, std::string_view name) {
  return find_one(transaction, "WHERE name = ?", name);
}

Result<std::vector<Group>> list_groups(Transaction& transaction) {
  MARU_ASSIGN_OR_RETURN(const auto rows, transaction.query(std::string(kSelect) + "ORDER BY name"));
  std::vector<Group> groups;
  for (const Row& row : rows) groups.push_back(read_group(row));
  return groups;
}

Result<bool> remove_group(Transaction& transaction, std::string_view id) {
  MARU_ASSIGN_OR_RETURN(const int64_t n,
                        transaction.execute("DELETE FROM groups WHERE id = ?", {std::string(id)}));
  return n > 0;
}

Status add_member(Transaction& transaction, std::string_view group_id, std::string_view user_id) {
  MARU_RETURN_IF_ERROR(transaction.execute(
      "INSERT INTO group_members (group_id, user_id) VALUES (?, ?) ON CONFLICT DO NOTHING",
      {std::string(group_id), std::string(user_id)}));
  return {};
}

Result<bool> remove_member(Transaction& transaction, std::string_view group_id,
                           std::string_view user_id) {
  MARU_ASSIGN_OR_RETURN(
      const int64_t n,
      transaction.execute("DELETE FROM group_members WHERE group_id = ? AND user_id = ?",
                          {std::string(group_id), std::string(user_id)}));
  return n > 0;
}

Result<std::vector<Member>> list_members(Transaction& transaction, std::string_view group_id) {
  MARU_ASSIGN_OR_RETURN(const auto rows,
                        transaction.query("SELECT users.id, users.name FROM group_members "
                                          "JOIN users ON users.id = group_members.user_id "
                                          "WHERE group_members.group_id = ? ORDER BY users.name",
                                          {std::string(group_id)}));
  std::vector<Member> members;
  for (const Row& row : rows) members.push_back({row.text(0), row.text(1)});
  return members;
}

Result<std::vector<std::string>> group_ids_of(Transaction& transaction, std::string_view user_id) {
  MARU_ASSIGN_OR_RETURN(
      const auto rows,
      transaction.query("SELECT group_id FROM group_members WHERE user_id = ? ORDER BY group_id",
                        {std::string(user_id)}));
  std::vector<std::string> ids;
  for (const Row& row : rows) ids.push_back(row.text(0));
  return ids;
}

Status add_rule(Transaction& transaction, std::string_view group_id, const Rule& rule) {
  MARU_RETURN_IF_ERROR(transaction.execute(
      "INSERT INTO group_rules (group_id, kind, name) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
      {std::string(group_id), rule.kind, rule.name}));
  return {};
}

Result<bool> remove_rule(Transaction& transaction, std::string_view group_id, const Rule& rule) {
  MARU_ASSIGN_OR_RETURN(
      const int64_t n,
      transaction.execute("DELETE FROM group_rules WHERE group_id = ? AND kind = ? AND name = ?",
                          {std::string(group_id), rule.kind, rule.name}));
  return n > 0;
}

Result<std::vector<Rule>> list_rules(Transaction& transaction, std::string_view group_id) {
  MARU_ASSIGN_OR_RETURN(
      const auto rows,
      transaction.query("SELECT kind, name FROM group_rules WHERE group_id = ? ORDER BY kind, name",
                        {std::string(group_id)}));
  return read_rules(rows);
}

Result<std::vector<Rule>> rules_of(Transaction& transaction, std::string_view user_id) {
  MARU_ASSIGN_OR_RETURN(
      const auto rows,
      transaction.query("SELECT DISTINCT kind, name FROM group_rules "
                        "JOIN group_members ON group_members.group_id = group_rules.group_id "
                        "WHERE group_members.user_id = ? ORDER BY kind, name",
                        {std::string(user_id)}));
  return read_rules(rows);
}

}  // namespace maru::store
