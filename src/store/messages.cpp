#include "store/messages.h"

#include <algorithm>
#include <unordered_map>

#include "store/columns.h"
#include "store/message_index.h"

namespace maru::store {
namespace {

constexpr const char* kSelect =
    "SELECT m.seq, m.id, m.chat_id, m.parent_id, m.role, m.content, m.extra, m.model, m.state, "
    "m.created_at FROM messages m JOIN chats c ON c.id = m.chat_id ";

Message read_message(const Row& row) {
  return {.seq = row.integer(0),
          .id = row.text(1),
          .chat_id = row.text(2),
          .parent_id = row.text_or_empty(3),
          .role = row.text(4),
          .content = row.text(5),
          .extra = row.text(6),
          .model = row.text(7),
          .state = row.text(8),
          .created_at = row.integer(9)};
}

Result<std::vector<Message>> select_messages(Transaction& transaction, const std::string& where,
                                             std::initializer_list<Value> parameters) {
  MARU_ASSIGN_OR_RETURN(const auto rows, transaction.query(kSelect + where, parameters));
  std::vector<Message> messages;
  for (const Row& row : rows) messages.push_back(read_message(row));
  return messages;
}

Error no_such(const char* what, const char* param) {
  return {ErrorCode::kNotFound, std::string("no such ") + what, "it may have been deleted", param,
          Reason{"gone", {{"what", what}}}};
}

}  // namespace

Result<int64_t> add_message(Transaction& transaction, std::string_view user_id,
                            const Message& message) {
  MARU_ASSIGN_OR_RETURN(const auto chats,
                        transaction.query("SELECT 1 FROM chats WHERE id = ? AND user_id = ?",
                                          {message.chat_id, std::string(user_id)}));
  if (chats.empty()) return no_such("chat", "chat_id");
  if (!message.parent_id.empty()) {
    MARU_ASSIGN_OR_RETURN(const auto parents,
                          transaction.query("SELECT 1 FROM messages WHERE id = ? AND chat_id = ?",
                                            {message.parent_id, message.chat_id}));
    if (parents.empty()) return no_such("message", "parent_id");
  }
  MARU_ASSIGN_OR_RETURN(
      const auto rows,
      transaction.query(
          "INSERT INTO messages (id, chat_id, parent_id, role, content, extra, "
          "model, state, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) "
          "RETURNING seq",
          {message.id, message.chat_id, text_or_null(message.parent_id), message.role,
           message.content, message.extra, message.model, message.state, message.created_at}));
  return rows.at(0).integer(0);
}

Result<std::optional<Message>> find_message(Transaction& transaction, std::string_view user_id,
                                            std::string_view id) {
  MARU_ASSIGN_OR_RETURN(auto found, select_messages(transaction, "WHERE m.id = ? AND c.user_id = ?",
                                                    {std::string(id), std::string(user_id)}));
  if (found.empty()) return std::optional<Message>();
  return std::optional(std::move(found[0]));
}

Result<std::vector<Message>> list_messages(Transaction& transaction, std::string_view user_id,
                                           std::string_view chat_id) {
  return select_messages(transaction, "WHERE m.chat_id = ? AND c.user_id = ? ORDER BY m.seq",
                         {std::string(chat_id), std::string(user_id)});
}

Result<size_t> count_messages(Transaction& transaction, std::string_view user_id,
                              std::string_view chat_id) {
  MARU_ASSIGN_OR_RETURN(
      const auto rows,
      transaction.query("SELECT count(*) FROM messages m JOIN chats c ON c.id = m.chat_id "
                        "WHERE m.chat_id = ? AND c.user_id = ?",
                        {std::string(chat_id), std::string(user_id)}));
  return static_cast<size_t>(rows.at(0).integer(0));
}

Result<std::vector<Message>> branch_of(Transaction& transaction, std::string_view user_id,
                                       std::string_view id) {
  MARU_ASSIGN_OR_RETURN(const auto last, find_message(transaction, user_id, id));
  if (!last) return std::vector<Message>();
  MARU_ASSIGN_OR_RETURN(auto all, list_messages(transaction, user_id, last->chat_id));
  std::unordered_map<std::string_view, Message*> by_id;
  for (Message& message : all) by_id[message.id] = &message;
  std::vector<Message> branch;
  // A parent is older than its children: the walk ends.
  for (std::string at = last->id; !at.empty();) {
    branch.push_back(std::move(*by_id.at(at)));
    at = branch.back().parent_id;
  }
  std::reverse(branch.begin(), branch.end());
  return branch;
}

Result<bool> update_message(Transaction& transaction, std::string_view user_id,
                            const Message& message) {
  MARU_ASSIGN_OR_RETURN(
      const int64_t n,
      transaction.execute("UPDATE messages SET content = ?, extra = ?, model = ?, state = ? "
                          "WHERE id = ? AND chat_id IN (SELECT id FROM chats WHERE user_id = ?)",
                          {message.content, message.extra, message.model, message.state, message.id,
                           std::string(user_id)}));
  return n == 1;
}

Result<bool> remove_message(Transaction& transaction, std::string_view user_id,
                            std::string_view id) {
  MARU_RETURN_IF_ERROR(forget_words_of_branch(transaction, user_id, id));
  // In one statement: cascading from parent to child would nest as deep as the chat is long.
  MARU_ASSIGN_OR_RETURN(
      const int64_t n,
      transaction.execute(
          "WITH RECURSIVE branch (id) AS (SELECT m.id FROM messages m "
          "JOIN chats c ON c.id = m.chat_id WHERE m.id = ? AND c.user_id = ? "
          "UNION ALL SELECT m.id FROM messages m JOIN branch b ON m.parent_id = b.id) "
          "DELETE FROM messages WHERE id IN (SELECT id FROM branch)",
          {std::string(id), std::string(user_id)}));
  return n > 0;
}

Result<std::vector<StoppedMessage>> stop_running_messages(Transaction& transaction) {
  MARU_ASSIGN_OR_RETURN(
      const auto rows,
      transaction.query("SELECT c.user_id, m.id FROM messages m JOIN chats c ON c.id = m.chat_id "
                        "WHERE m.state = 'running' ORDER BY m.seq"));
  std::vector<StoppedMessage> stopped;
  for (const Row& row : rows) {
    MARU_ASSIGN_OR_RETURN(auto found,
                          select_messages(transaction, "WHERE m.id = ?", {row.text(1)}));
    for (Message& message : found) {
      message.state = "stopped";
      MARU_RETURN_IF_ERROR(update_message(transaction, row.text(0), message));
      stopped.push_back({row.text(0), std::move(message)});
    }
  }
  return stopped;
}

}  // namespace maru::store
