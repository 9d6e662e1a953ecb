#include "store/message_index.h"

#include <algorithm>

namespace maru::store {
namespace {

// As one word of the index: what is left of an id without the characters that separate words.
std::string owner_word(std::string_view user_id) {
  std::string word = "o";
  for (const char c : user_id) {
    const bool stays = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (stays) word += c;
  }
  return word;
}

// Words have letters, numbers and marks only; quotes are for those that look like operators.
std::string fts_query(std::string_view user_id, std::span<const SearchedWords> terms) {
  std::string query = "owner : \"" + owner_word(user_id) + "\"";
  for (const SearchedWords& term : terms) {
    query += " AND words : \"";
    for (size_t i = 0; i < term.words.size(); ++i) query += (i > 0 ? " " : "") + term.words[i];
    query += term.is_prefix ? "\" *" : "\"";
  }
  return query;
}

std::string ts_query(std::span<const SearchedWords> terms) {
  std::string query;
  for (const SearchedWords& term : terms) {
    query += query.empty() ? "(" : " & (";
    for (size_t i = 0; i < term.words.size(); ++i) {
      query += (i > 0 ? " <-> '" : "'") + term.words[i] + "'";
    }
    query += term.is_prefix ? ":*)" : ")";
  }
  return query;
}

// A tsvector as text. Positions end at 16383: words behind it are found, but not as neighbours.
std::string ts_vector(std::span<const std::string> words) {
  constexpr size_t kLastPosition = 16383;
  std::string text;
  for (size_t i = 0; i < words.size(); ++i) {
    text += "'" + words[i] + "':" + std::to_string(std::min(i + 1, kLastPosition)) + " ";
  }
  return text;
}

SearchHit read_hit(const Row& row) {
  return {row.integer(0), row.text(1), row.text(2), row.text(3), row.text(4), row.integer(5)};
}

}  // namespace

Status index_message(Transaction& transaction, std::string_view user_id, int64_t seq,
                     std::span<const std::string> words) {
  if (transaction.is_postgresql()) {
    MARU_RETURN_IF_ERROR(transaction.execute(
        "INSERT INTO message_words (seq, owner, words) VALUES (?, ?, CAST(? AS TSVECTOR)) "
        "ON CONFLICT (seq) DO UPDATE SET words = excluded.words",
        {seq, std::string(user_id), ts_vector(words)}));
    return {};
  }
  std::string text;
  for (const std::string& word : words) text += word + " ";
  MARU_RETURN_IF_ERROR(transaction.execute("DELETE FROM message_words WHERE rowid = ?", {seq}));
  MARU_RETURN_IF_ERROR(
      transaction.execute("INSERT INTO message_words (rowid, owner, words) VALUES (?, ?, ?)",
                          {seq, owner_word(user_id), std::move(text)}));
  return {};
}

Status forget_words_of_chat(Transaction& transaction, std::string_view user_id,
                            std::string_view chat_id) {
  const std::string key = transaction.is_postgresql() ? "seq" : "rowid";
  MARU_RETURN_IF_ERROR(
      transaction.execute("DELETE FROM message_words WHERE " + key +
                              " IN (SELECT m.seq FROM messages m JOIN chats c ON c.id = m.chat_id "
                              "WHERE c.id = ? AND c.user_id = ?)",
                          {std::string(chat_id), std::string(user_id)}));
  return {};
}

Status forget_words_of_branch(Transaction& transaction, std::string_view user_id,
                              std::string_view message_id) {
  const std::string key = transaction.is_postgresql() ? "seq" : "rowid";
  MARU_RETURN_IF_ERROR(transaction.execute(
      "WITH RECURSIVE branch (seq, id) AS (SELECT m.seq, m.id FROM messages m "
      "JOIN chats c ON c.id = m.chat_id WHERE m.id = ? AND c.user_id = ? "
      "UNION ALL SELECT m.seq, m.id FROM messages m JOIN branch b ON m.parent_id = b.id) "
      "DELETE FROM message_words WHERE " +
          key + " IN (SELECT seq FROM branch)",
      {std::string(message_id), std::string(user_id)}));
  return {};
}

Result<std::vector<SearchHit>> search_messages(Transaction& transaction, std::string_view user_id,
                                               std::span<const SearchedWords> terms,
                                               int64_t before_seq, size_t limit) {
  if (terms.empty()) return std::vector<SearchHit>();
  if (before_seq == 0) before_seq = INT64_MAX;
  const auto n = static_cast<int64_t>(limit);
  const std::string hits = "SELECT m.seq, m.id, m.chat_id, c.title, m.content, m.created_at FROM ";
  // What the index says is checked again: the owner's word leaves characters out.
  const std::string joins =
      "JOIN chats c ON c.id = m.chat_id WHERE c.user_id = ? AND c.temporary = 0 ";
  MARU_ASSIGN_OR_RETURN(
      const auto rows,
      transaction.is_postgresql()
          ? transaction.query(
                hits + "message_words w JOIN messages m ON m.seq = w.seq " + joins +
                    "AND w.owner = ? AND w.words @@ CAST(? AS TSQUERY) "
                    "AND w.seq < ? ORDER BY w.seq DESC LIMIT ?",
                {std::string(user_id), std::string(user_id), ts_query(terms), before_seq, n})
          : transaction.query(hits + "message_words w JOIN messages m ON m.seq = w.rowid " + joins +
                                  "AND message_words MATCH ? AND w.rowid < ? "
                                  "ORDER BY w.rowid DESC LIMIT ?",
                              {std::string(user_id), fts_query(user_id, terms), before_seq, n}));
  std::vector<SearchHit> found;
  for (const Row& row : rows) found.push_back(read_hit(row));
  return found;
}

}  // namespace maru::store
