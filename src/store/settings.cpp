#include "store/settings.h"

namespace maru::store {

Status set_setting(Transaction& transaction, const StoredSetting& row) {
  MARU_RETURN_IF_ERROR(transaction.execute(
      "INSERT INTO settings (name, value, updated_at, updated_by) VALUES (?, ?, ?, ?) "
      "ON CONFLICT (name) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at, "
      "updated_by = excluded.updated_by",
      {row.name, row.value, row.updated_at, row.updated_by}));
  return {};
}

Status remove_setting(Transaction& transaction, const std::string& name) {
  MARU_RETURN_IF_ERROR(transaction.execute("DELETE FROM settings WHERE name = ?", {name}));
  return {};
}

Result<std::vector<StoredSetting>> list_settings(Transaction& transaction) {
  MARU_ASSIGN_OR_RETURN(const std::vector<Row> rows,
                        transaction.query("SELECT name, value, updated_at, updated_by "
                                          "FROM settings ORDER BY name"));
  std::vector<StoredSetting> settings;
  for (const Row& row : rows) {
    settings.push_back({row.text(0), row.text(1), row.integer(2), row.text(3)});
  }
  return settings;
}

}  // namespace maru::store
