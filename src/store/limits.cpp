#include "store/limits.h"

namespace maru::store {

Status set_limit(Transaction& transaction, const LimitRow& row) {
  const auto done = transaction.execute(
      "INSERT INTO limits (subject_kind, subject_id, name, value) VALUES (?, ?, ?, ?) "
      "ON CONFLICT (subject_kind, subject_id, name) DO UPDATE SET value = excluded.value",
      {row.subject_kind, row.subject_id, row.name, row.value});
  if (!done) return done.error();
  return {};
}

Result<bool> remove_limit(Transaction& transaction, const LimitRow& row) {
  MARU_ASSIGN_OR_RETURN(
      const int64_t n,
      transaction.execute(
          "DELETE FROM limits WHERE subject_kind = ? AND subject_id = ? AND name = ?",
          {row.subject_kind, row.subject_id, row.name}));
  return n > 0;
}

Result<std::vector<LimitRow>> list_limits(Transaction& transaction) {
  MARU_ASSIGN_OR_RETURN(const std::vector<Row> rows,
                        transaction.query("SELECT subject_kind, subject_id, name, value FROM "
                                          "limits ORDER BY subject_kind, subject_id, name"));
  std::vector<LimitRow> limits;
  for (const Row& row : rows) {
    limits.push_back({row.text(0), row.text(1), row.text(2), row.integer(3)});
  }
  return limits;
}

}  // namespace maru::store
