#include "store/feedback.h"

namespace maru::store {
namespace {

// `condition` has a place for `value`, unless it is empty.
Result<std::vector<Feedback>> select_feedback(Transaction& transaction, std::string_view user_id,
                                              const std::string& condition,
                                              std::string_view value) {
  std::vector<Value> parameters{std::string(user_id)};
  if (!condition.empty()) parameters.emplace_back(std::string(value));
  MARU_ASSIGN_OR_RETURN(
      const auto rows,
      transaction.query("SELECT id, user_id, message_id, kind, detail, context, created_at FROM "
                        "feedback WHERE user_id = ?" +
                            condition + " ORDER BY created_at, id",
                        std::span<const Value>(parameters)));
  std::vector<Feedback> list;
  for (const Row& row : rows) {
    list.push_back({row.text(0), row.text(1), row.text(2), row.text(3), row.text(4), row.text(5),
                    row.integer(6)});
  }
  return list;
}

}  // namespace

Status add_feedback(Transaction& transaction, const Feedback& feedback) {
  MARU_ASSIGN_OR_RETURN(const auto messages,
                        transaction.query("SELECT 1 FROM messages m JOIN chats c ON c.id = "
                                          "m.chat_id WHERE m.id = ? AND c.user_id = ?",
                                          {feedback.message_id, feedback.user_id}));
  if (messages.empty()) {
    return Error{ErrorCode::kNotFound, "no such message", "it may have been deleted", "message",
                 Reason{"gone", {{"what", "message"}}}};
  }
  if (feedback.kind == "thumb") {
    MARU_RETURN_IF_ERROR(transaction.execute(
        "DELETE FROM feedback WHERE user_id = ? AND message_id = ? AND kind = 'thumb'",
        {feedback.user_id, feedback.message_id}));
  }
  MARU_RETURN_IF_ERROR(transaction.execute(
      "INSERT INTO feedback (id, user_id, message_id, kind, detail, context, created_at) "
      "VALUES (?, ?, ?, ?, ?, ?, ?)",
      {feedback.id, feedback.user_id, feedback.message_id, feedback.kind, feedback.detail,
       feedback.context, feedback.created_at}));
  return {};
}

Result<std::vector<Feedback>> list_feedback(Transaction& transaction, std::string_view user_id,
                                            std::string_view message_id) {
  return message_id.empty()
             ? select_feedback(transaction, user_id, "", "")
             : select_feedback(transaction, user_id, " AND message_id = ?", message_id);
}

Result<std::vector<Feedback>> list_feedback_of_chat(Transaction& transaction,
                                                    std::string_view user_id,
                                                    std::string_view chat_id) {
  return select_feedback(transaction, user_id,
                         " AND message_id IN (SELECT id FROM messages WHERE chat_id = ?)", chat_id);
}

Result<std::vector<std::string>> list_votes(Transaction& transaction) {
  MARU_ASSIGN_OR_RETURN(const auto rows,
                        transaction.query("SELECT detail FROM feedback WHERE kind = 'vote'", {}));
  std::vector<std::string> details;
  for (const Row& row : rows) details.push_back(row.text(0));
  return details;
}

Result<bool> remove_feedback(Transaction& transaction, std::string_view user_id,
                             std::string_view id) {
  MARU_ASSIGN_OR_RETURN(const int64_t n,
                        transaction.execute("DELETE FROM feedback WHERE id = ? AND user_id = ?",
                                            {std::string(id), std::string(user_id)}));
  return n == 1;
}

}  // namespace maru::store
