#include "store/files.h"

namespace maru::store {
namespace {

constexpr const char* kSelect =
    "SELECT id, user_id, name, media_type, size, sha256, created_at FROM files WHERE user_id = ? ";

File read_row(const Row& row) {
  return {row.text(0),    row.text(1), row.text(2),   row.text(3),
          row.integer(4), row.text(5), row.integer(6)};
}

}  // namespace

Status add_file(Transaction& transaction, const File& file, std::string content) {
  MARU_RETURN_IF_ERROR(transaction.execute(
      "INSERT INTO files (id, user_id, name, media_type, size, sha256, content, created_at) "
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
      {file.id, file.user_id, file.name, file.media_type, file.size, file.sha256,
       Blob{std::move(content)}, file.created_at}));
  return {};
}

Result<std::optional<File>> find_file(Transaction& transaction, std::string_view user_id,
                                      std::string_view id) {
  MARU_ASSIGN_OR_RETURN(const auto rows,
                        transaction.query(std::string(kSelect) + "AND id = ?",
                                          {std::string(user_id), std::string(id)}));
  if (rows.empty()) return std::optional<File>();
  return std::optional(read_row(rows[0]));
}

Result<std::optional<std::string>> read_file(Transaction& transaction, std::string_view user_id,
                                             std::string_view id) {
  MARU_ASSIGN_OR_RETURN(const auto rows,
                        transaction.query("SELECT content FROM files WHERE id = ? AND user_id = ?",
                                          {std::string(id), std::string(user_id)}));
  if (rows.empty()) return std::optional<std::string>();
  return std::optional(rows[0].blob(0));
}

Result<std::vector<File>> list_files(Transaction& transaction, std::string_view user_id) {
  MARU_ASSIGN_OR_RETURN(
      const auto rows, transaction.query(std::string(kSelect) + "ORDER BY created_at DESC, id DESC",
                                         {std::string(user_id)}));
  std::vector<File> files;
  for (const Row& row : rows) files.push_back(read_row(row));
  return files;
}

Result<int64_t> bytes_of_files(Transaction& transaction, std::string_view user_id) {
  MARU_ASSIGN_OR_RETURN(
      const auto rows,
      transaction.query(
          "SELECT CAST(coalesce(sum(size), 0) AS BIGINT) FROM files WHERE user_id = ?",
          {std::string(user_id)}));
  return rows.at(0).integer(0);
}

Result<bool> remove_file(Transaction& transaction, std::string_view user_id, std::string_view id) {
  MARU_ASSIGN_OR_RETURN(const int64_t n,
                        transaction.execute("DELETE FROM files WHERE id = ? AND user_id = ?",
                                            {std::string(id), std::string(user_id)}));
  return n == 1;
}

}  // namespace maru::store
