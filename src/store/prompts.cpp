#include "store/prompts.h"

namespace maru::store {

Status add_prompt(Transaction& transaction, const SavedPrompt& prompt) {
  MARU_RETURN_IF_ERROR(
      transaction.execute("INSERT INTO prompts (id, user_id, name, content, created_at, "
                          "updated_at) VALUES (?, ?, ?, ?, ?, ?)",
                          {prompt.id, prompt.user_id, prompt.name, prompt.content,
                           prompt.created_at, prompt.updated_at}));
  return {};
}

Result<std::vector<SavedPrompt>> list_prompts(Transaction& transaction, std::string_view user_id) {
  MARU_ASSIGN_OR_RETURN(
      const auto rows,
      transaction.query("SELECT id, user_id, name, content, created_at, updated_at FROM prompts "
                        "WHERE user_id = ? ORDER BY name, id",
                        {std::string(user_id)}));
  std::vector<SavedPrompt> list;
  for (const Row& row : rows) {
    list.push_back(
        {row.text(0), row.text(1), row.text(2), row.text(3), row.integer(4), row.integer(5)});
  }
  return list;
}

Result<bool> update_prompt(Transaction& transaction, const SavedPrompt& prompt) {
  MARU_ASSIGN_OR_RETURN(
      const int64_t n,
      transaction.execute(
          "UPDATE prompts SET name = ?, content = ?, updated_at = ? "
          "WHERE id = ? AND user_id = ?",
          {prompt.name, prompt.content, prompt.updated_at, prompt.id, prompt.user_id}));
  return n == 1;
}

Result<bool> remove_prompt(Transaction& transaction, std::string_view user_id,
                           std::string_view id) {
  MARU_ASSIGN_OR_RETURN(const int64_t n,
                        transaction.execute("DELETE FROM prompts WHERE id = ? AND user_id = ?",
                                            {std::string(id), std::string(user_id)}));
  return n == 1;
}

}  // namespace maru::store
