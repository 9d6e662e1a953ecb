#include "store/memories.h"

namespace maru::store {

Status add_memory(Transaction& transaction, const Memory& memory) {
  MARU_RETURN_IF_ERROR(transaction.execute(
      "INSERT INTO memories (id, user_id, content, created_at, updated_at) VALUES (?, ?, ?, ?, ?)",
      {memory.id, memory.user_id, memory.content, memory.created_at, memory.updated_at}));
  return {};
}

Result<std::vector<Memory>> list_memories(Transaction& transaction, std::string_view user_id) {
  MARU_ASSIGN_OR_RETURN(
      const auto rows,
      transaction.query("SELECT id, user_id, content, created_at, updated_at FROM memories "
                        "WHERE user_id = ? ORDER BY created_at, id",
                        {std::string(user_id)}));
  std::vector<Memory> list;
  for (const Row& row : rows) {
    list.push_back({row.text(0), row.text(1), row.text(2), row.integer(3), row.integer(4)});
  }
  return list;
}

Result<bool> update_memory(Transaction& transaction, const Memory& memory) {
  MARU_ASSIGN_OR_RETURN(
      const int64_t n,
      transaction.execute(
          "UPDATE memories SET content = ?, updated_at = ? WHERE id = ? AND user_id = ?",
          {memory.content, memory.updated_at, memory.id, memory.user_id}));
  return n == 1;
}

Result<bool> remove_memory(Transaction& transaction, std::string_view user_id,
                           std::string_view id) {
  MARU_ASSIGN_OR_RETURN(const int64_t n,
                        transaction.execute("DELETE FROM memories WHERE id = ? AND user_id = ?",
                                            {std::string(id), std::string(user_id)}));
  return n == 1;
}

Result<std::string> read_preferences(Transaction& transaction, std::string_view user_id) {
  MARU_ASSIGN_OR_RETURN(const auto rows,
                        transaction.query("SELECT content FROM preferences WHERE user_id = ?",
                                          {std::string(user_id)}));
  return rows.empty() ? std::string("{}") : rows[0].text(0);
}

Status write_preferences(Transaction& transaction, std::string_view user_id,
                         std::string_view content) {
  MARU_RETURN_IF_ERROR(
      transaction.execute("INSERT INTO preferences (user_id, content) VALUES (?, ?) "
                          "ON CONFLICT (user_id) DO UPDATE SET content = excluded.content",
                          {std::string(user_id), std::string(content)}));
  return {};
}

}  // namespace maru::store
