#include "store/assistants.h"

#include "store/columns.h"

namespace maru::store {
namespace {

// Those that the person may use; parameters: the person's id and each group's.
std::string select_usable(std::string_view user_id, std::span<const std::string> group_ids,
                          std::vector<Value>& parameters) {
  std::string sql =
      "SELECT id, user_id, group_id, name, instructions, settings, picture, starters, created_at, "
      "updated_at "
      "FROM assistants WHERE (user_id = ?";
  parameters.emplace_back(std::string(user_id));
  for (const std::string& group : group_ids) {
    sql += " OR group_id = ?";
    parameters.emplace_back(group);
  }
  return sql + ")";
}

Assistant read_row(const Row& row) {
  return {row.text(0), row.text(1), row.text_or_empty(2), row.text(3),    row.text(4),
          row.text(5), row.text(6), row.text(7),          row.integer(8), row.integer(9)};
}

}  // namespace

Status add_assistant(Transaction& transaction, const Assistant& assistant) {
  MARU_RETURN_IF_ERROR(transaction.execute(
      "INSERT INTO assistants (id, user_id, group_id, name, instructions, settings, picture, "
      "starters, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      {assistant.id, assistant.user_id, text_or_null(assistant.group_id), assistant.name,
       assistant.instructions, assistant.settings, assistant.picture, assistant.starters,
       assistant.created_at, assistant.updated_at}));
  return {};
}

Result<std::optional<Assistant>> find_assistant(Transaction& transaction, std::string_view user_id,
                                                std::span<const std::string> group_ids,
                                                std::string_view id) {
  std::vector<Value> parameters;
  const std::string sql = select_usable(user_id, group_ids, parameters) + " AND id = ?";
  parameters.emplace_back(std::string(id));
  MARU_ASSIGN_OR_RETURN(const auto rows,
                        transaction.query(sql, std::span<const Value>(parameters)));
  if (rows.empty()) return std::optional<Assistant>();
  return std::optional(read_row(rows[0]));
}

Result<std::vector<Assistant>> list_assistants(Transaction& transaction, std::string_view user_id,
                                               std::span<const std::string> group_ids) {
  std::vector<Value> parameters;
  const std::string sql = select_usable(user_id, group_ids, parameters) + " ORDER BY name, id";
  MARU_ASSIGN_OR_RETURN(const auto rows,
                        transaction.query(sql, std::span<const Value>(parameters)));
  std::vector<Assistant> list;
  for (const Row& row : rows) list.push_back(read_row(row));
  return list;
}

Result<bool> update_assistant(Transaction& transaction, const Assistant& assistant) {
  MARU_ASSIGN_OR_RETURN(
      const int64_t n,
      transaction.execute(
          "UPDATE assistants SET group_id = ?, name = ?, instructions = ?, settings = ?, "
          "picture = ?, starters = ?, updated_at = ? WHERE id = ? AND user_id = ?",
          {text_or_null(assistant.group_id), assistant.name, assistant.instructions,
           assistant.settings, assistant.picture, assistant.starters, assistant.updated_at,
           assistant.id, assistant.user_id}));
  return n == 1;
}

Result<bool> remove_assistant(Transaction& transaction, std::string_view user_id,
                              std::string_view id) {
  MARU_ASSIGN_OR_RETURN(const int64_t n,
                        transaction.execute("DELETE FROM assistants WHERE id = ? AND user_id = ?",
                                            {std::string(id), std::string(user_id)}));
  return n == 1;
}

}  // namespace maru::store
