#include "store/shares.h"

namespace maru::store {
namespace {

constexpr const char* kSelect = "SELECT id, user_id, message_id, token, created_at FROM shares ";

Share read_row(const Row& row) {
  return {row.text(0), row.text(1), row.text(2), row.text(3), row.integer(4)};
}

}  // namespace

Status add_share(Transaction& transaction, const Share& share) {
  MARU_ASSIGN_OR_RETURN(const auto messages,
                        transaction.query("SELECT 1 FROM messages m JOIN chats c ON c.id = "
                                          "m.chat_id WHERE m.id = ? AND c.user_id = ?",
                                          {share.message_id, share.user_id}));
  if (messages.empty()) {
    return Error{ErrorCode::kNotFound, "no such message", "it may have been deleted", "message",
                 Reason{"gone", {{"what", "message"}}}};
  }
  MARU_RETURN_IF_ERROR(transaction.execute(
      "INSERT INTO shares (id, user_id, message_id, token, created_at) VALUES (?, ?, ?, ?, ?)",
      {share.id, share.user_id, share.message_id, share.token, share.created_at}));
  return {};
}

Result<std::vector<Share>> list_shares(Transaction& transaction, std::string_view user_id) {
  MARU_ASSIGN_OR_RETURN(const auto rows,
                        transaction.query(std::string(kSelect) +
                                              "WHERE user_id = ? ORDER BY created_at DESC, id DESC",
                                          {std::string(user_id)}));
  std::vector<Share> list;
  for (const Row& row : rows) list.push_back(read_row(row));
  return list;
}

Result<bool> remove_share(Transaction& transaction, std::string_view user_id, std::string_view id) {
  MARU_ASSIGN_OR_RETURN(const int64_t n,
                        transaction.execute("DELETE FROM shares WHERE id = ? AND user_id = ?",
                                            {std::string(id), std::string(user_id)}));
  return n == 1;
}

Result<std::optional<Share>> read_share(Transaction& transaction, std::string_view token) {
  MARU_ASSIGN_OR_RETURN(const auto rows, transaction.query(std::string(kSelect) + "WHERE token = ?",
                                                           {std::string(token)}));
  if (rows.empty()) return std::optional<Share>();
  return std::optional(read_row(rows[0]));
}

}  // namespace maru::store
