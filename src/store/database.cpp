#include "store/database.h"

#include "base/check.h"
#include "store/postgresql.h"
#include "store/sqlite.h"

namespace maru::store {

bool Row::is_null(size_t column) const {
  MARU_CHECK(column < values_.size());
  return std::holds_alternative<std::monostate>(values_[column]);
}

int64_t Row::integer(size_t column) const {
  MARU_CHECK(column < values_.size());
  const auto* value = std::get_if<int64_t>(&values_[column]);
  MARU_CHECK(value != nullptr);
  return *value;
}

double Row::real(size_t column) const {
  MARU_CHECK(column < values_.size());
  const auto* value = std::get_if<double>(&values_[column]);
  return value != nullptr ? *value : static_cast<double>(integer(column));
}

const std::string& Row::text(size_t column) const {
  MARU_CHECK(column < values_.size());
  const auto* value = std::get_if<std::string>(&values_[column]);
  MARU_CHECK(value != nullptr);
  return *value;
}

const std::string& Row::blob(size_t column) const {
  MARU_CHECK(column < values_.size());
  const auto* value = std::get_if<Blob>(&values_[column]);
  MARU_CHECK(value != nullptr);
  return value->bytes;
}

std::string Row::text_or_empty(size_t column) const {
  return is_null(column) ? std::string() : text(column);
}

int64_t Row::integer_or(size_t column, int64_t other) const {
  return is_null(column) ? other : integer(column);
}

Result<std::unique_ptr<Database>> Database::open(const std::string& location,
                                                 const DatabaseOptions& options) {
  if (is_postgresql_url(location)) {
    return open_postgresql(location, {.n_readers = options.n_readers});
  }
  return open_sqlite(location, {.n_readers = options.n_readers});
}

std::string conflict_column(const Error& error) {
  return error.code == ErrorCode::kConflict ? error.param : std::string();
}

}  // namespace maru::store
