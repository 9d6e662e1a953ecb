#include "store/person_data.h"

#include "store/message_index.h"

namespace maru::store {

Result<std::vector<Chat>> list_every_chat(Transaction& transaction, std::string_view user_id) {
  MARU_ASSIGN_OR_RETURN(
      const auto rows,
      transaction.query("SELECT id FROM chats WHERE user_id = ? ORDER BY created_at, id",
                        {std::string(user_id)}));
  std::vector<Chat> chats;
  for (const Row& row : rows) {
    MARU_ASSIGN_OR_RETURN(auto chat, find_chat(transaction, user_id, row.text(0)));
    if (chat) chats.push_back(std::move(*chat));
  }
  return chats;
}

Status remove_person_data(Transaction& transaction, std::string_view user_id) {
  MARU_ASSIGN_OR_RETURN(const auto rows, transaction.query("SELECT id FROM chats WHERE user_id = ?",
                                                           {std::string(user_id)}));
  for (const Row& row : rows) {
    MARU_RETURN_IF_ERROR(remove_chat(transaction, user_id, row.text(0)));
  }
  for (const char* table : {"folders", "files", "feedback", "assistants", "memories", "shares",
                            "prompts", "preferences"}) {
    MARU_RETURN_IF_ERROR(transaction.execute(
        std::string("DELETE FROM ") + table + " WHERE user_id = ?", {std::string(user_id)}));
  }
  return {};
}

Result<int64_t> remove_temporary_chats(Transaction& transaction, int64_t before) {
  MARU_ASSIGN_OR_RETURN(
      const auto rows,
      transaction.query("SELECT id, user_id FROM chats WHERE temporary = 1 AND updated_at < ?",
                        {before}));
  for (const Row& row : rows) {
    MARU_RETURN_IF_ERROR(remove_chat(transaction, row.text(1), row.text(0)));
  }
  return static_cast<int64_t>(rows.size());
}

}  // namespace maru::store
