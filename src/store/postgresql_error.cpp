#include "store/postgresql_error.h"

#include <fmt/format.h>

namespace maru::store {
namespace {

std::string field(const PGresult* answer, int code) {
  const char* text = PQresultErrorField(answer, code);
  return text == nullptr ? "" : text;
}

constexpr const char* kGoesOn = "reads go on, and writes work again once there is room";
constexpr const char* kComesBack =
    "check that the server runs and that database_url names it; Maru goes on by itself once it "
    "answers";

// Class 23: what the tables forbid.
Error constraint_error(const PostgresqlTarget& target, const PGresult* answer,
                       std::string_view state, std::string_view sql) {
  const std::string table = field(answer, PG_DIAG_TABLE_NAME);
  if (state == "23505" || state == "23P01") {
    const std::string columns = key_columns(table, field(answer, PG_DIAG_MESSAGE_DETAIL));
    return {ErrorCode::kConflict, fmt::format("{} is taken", columns), "choose another value",
            columns};
  }
  if (state == "23503" || state == "23001") {
    return {ErrorCode::kConflict, "what is named does not exist, or is still in use",
            "check what the change refers to", "", Reason{"in_use_or_gone"}};
  }
  const std::string column = field(answer, PG_DIAG_COLUMN_NAME);
  const std::string rule = field(answer, PG_DIAG_CONSTRAINT_NAME);
  return {ErrorCode::kInternal, fmt::format("{}: {} is refused by {} ({}) in: {}", target.where,
                                            column.empty() ? table : table + "." + column,
                                            rule.empty() ? "NOT NULL" : rule, state, sql)};
}

}  // namespace

std::string key_columns(std::string_view table, std::string_view detail) {
  const size_t open = detail.find('(');
  const size_t close = detail.find(")=(");
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) {
    return std::string(table);
  }
  std::string columns;
  std::string_view rest = detail.substr(open + 1, close - open - 1);
  while (!rest.empty()) {
    const size_t comma = rest.find(", ");
    columns += fmt::format("{}{}.{}", columns.empty() ? "" : ", ", table, rest.substr(0, comma));
    rest = comma == std::string_view::npos ? "" : rest.substr(comma + 2);
  }
  return columns;
}

Error connection_error(const PostgresqlTarget& target, std::string_view message) {
  return {ErrorCode::kUnavailable,
          fmt::format("{} does not answer: {}", target.where, target.clean(message)), kComesBack,
          "", Reason{"database_away"}};
}

Error statement_error(const PostgresqlTarget& target, const PGresult* answer, std::string_view sql,
                      bool is_reader) {
  const std::string state = field(answer, PG_DIAG_SQLSTATE);
  const std::string kind = state.substr(0, 2);
  const std::string primary = target.clean(field(answer, PG_DIAG_MESSAGE_PRIMARY));
  const auto unavailable = [&](std::string_view what, const char* hint) {
    return Error{ErrorCode::kUnavailable, fmt::format("{}: {} ({})", target.where, what, state),
                 hint};
  };
  if (kind == "23") return constraint_error(target, answer, state, sql);
  if (state == "P0001") {  // a trigger's own words
    return {ErrorCode::kConflict, primary, "this data cannot be changed so"};
  }
  if (state == "53100") return unavailable("the server's disk is full", kGoesOn);
  if (kind == "53") return unavailable(primary, "give the server more memory or connections");
  if (state == "55P03") return unavailable("kept busy by another process", "try again");
  if (state == "57014") return unavailable("a statement took too long", "try again");
  if (kind == "40") return unavailable("outrun by other changes", "try again");
  if (kind == "08" || kind == "57" || state == "25P03") return unavailable(primary, kComesBack);
  if (kind == "58") return unavailable(primary, "check the server's disk");
  if (state == "42501") {
    return unavailable(primary, "let the role of database_url own the database or its schema");
  }
  if (state == "25006" && !is_reader) {
    return unavailable("the server takes no writes", "name the primary server in database_url");
  }
  if (kind == "54") {
    return {ErrorCode::kTooLarge, "a value is larger than the database can hold",
            "make it smaller"};
  }
  if (state == "XX001" || state == "XX002") {
    return {ErrorCode::kCorrupt, fmt::format("{} is damaged: {}", target.where, primary),
            "restore a backup: pg_restore"};
  }
  // Messages about data (class 22) repeat it.
  return {ErrorCode::kInternal, fmt::format("{}: {} ({}) in: {}", target.where,
                                            kind == "22" ? "unfit data" : primary, state, sql)};
}

}  // namespace maru::store
