#include "store/sessions.h"

#include "store/columns.h"

namespace maru::store {
namespace {

constexpr const char* kSelect =
    "SELECT id, user_id, token_hash, created_at, last_seen_at, expires_at, remote, user_agent "
    "FROM sessions ";

Session read_session(const Row& row) {
  return {row.text(0),    row.text(1),    row.text(2), row.integer(3),
          row.integer(4), row.integer(5), row.text(6), row.text(7)};
}

Result<std::optional<Session>> find_one(Transaction& transaction, const std::string& where,
                                        std::string_view value) {
  MARU_ASSIGN_OR_RETURN(const auto rows, transaction.query(kSelect + where, {std::string(value)}));
  if (rows.empty()) return std::optional<Session>();
  return std::optional(read_session(rows[0]));
}

}  // namespace

Status add_session(Transaction& transaction, const Session& session) {
  MARU_RETURN_IF_ERROR(transaction.execute(
      "INSERT INTO sessions (id, user_id, token_hash, created_at, last_seen_at, expires_at, "
      "remote, user_agent) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
      {session.id, session.user_id, session.token_hash, session.created_at, session.last_seen_at,
       session.expires_at, session.remote, session.user_agent}));
  return {};
}

Result<std::optional<Session>> find_session_by_hash(Transaction& transaction,
                                                    std::string_view token_hash) {
  return find_one(transaction, "WHERE token_hash = ?", token_hash);
}

Result<std::optional<Session>> find_session(Transaction& transaction, std::string_view id) {
  return find_one(transaction, "WHERE id = ?", id);
}

Result<std::vector<Session>> list_sessions_of(Transaction& transaction, std::string_view user_id) {
  MARU_ASSIGN_OR_RETURN(
      const auto rows,
      transaction.query(std::string(kSelect) + "WHERE user_id = ? ORDER BY last_seen_at DESC, id",
                        {std::string(user_id)}));
  std::vector<Session> sessions;
  for (const Row& row : rows) sessions.push_back(read_session(row));
  return sessions;
}

Result<bool> end_session_of(Transaction& transaction, std::string_view user_id,
                            std::string_view id) {
  MARU_ASSIGN_OR_RETURN(const int64_t n,
                        transaction.execute("DELETE FROM sessions WHERE user_id = ? AND id = ?",
                                            {std::string(user_id), std::string(id)}));
  return n > 0;
}

Result<int64_t> end_sessions_of(Transaction& transaction, std::string_view user_id,
                                std::string_view kept) {
  return transaction.execute("DELETE FROM sessions WHERE user_id = ? AND id <> ?",
                             {std::string(user_id), std::string(kept)});
}

Status touch_session(Transaction& transaction, std::string_view id, int64_t now) {
  MARU_RETURN_IF_ERROR(transaction.execute("UPDATE sessions SET last_seen_at = ? WHERE id = ?",
                                           {now, std::string(id)}));
  return {};
}

Status remove_expired_sessions(Transaction& transaction, int64_t now) {
  MARU_RETURN_IF_ERROR(transaction.execute("DELETE FROM sessions WHERE expires_at <= ?", {now}));
  return {};
}

Status add_login_link(Transaction& transaction, const LoginLink& link) {
  MARU_RETURN_IF_ERROR(
      transaction.execute("DELETE FROM login_links WHERE purpose = ? AND COALESCE(user_id, '') = ?",
                          {link.purpose, link.user_id}));
  MARU_RETURN_IF_ERROR(transaction.execute(
      "INSERT INTO login_links (token_hash, user_id, purpose, expires_at, used_at) "
      "VALUES (?, ?, ?, ?, NULL)",
      {link.token_hash, text_or_null(link.user_id), link.purpose, link.expires_at}));
  return {};
}

Result<bool> has_login_link(Transaction& transaction, std::string_view token_hash,
                            std::string_view purpose, int64_t now) {
  MARU_ASSIGN_OR_RETURN(
      const auto rows,
      transaction.query("SELECT 1 FROM login_links WHERE token_hash = ? AND purpose = ? AND "
                        "used_at IS NULL AND expires_at > ?",
                        {std::string(token_hash), std::string(purpose), now}));
  return !rows.empty();
}

Result<bool> use_login_link(Transaction& transaction, std::string_view token_hash,
                            std::string_view purpose, int64_t now) {
  MARU_ASSIGN_OR_RETURN(
      const int64_t n,
      transaction.execute("UPDATE login_links SET used_at = ? WHERE token_hash = ? AND "
                          "purpose = ? AND used_at IS NULL AND expires_at > ?",
                          {now, std::string(token_hash), std::string(purpose), now}));
  return n > 0;
}

}  // namespace maru::store
