// What a failed answer of PostgreSQL means (SQLSTATE: PostgreSQL 15 manual, appendix A). Pure
// functions.
#pragma once

#include <libpq-fe.h>

#include <string>
#include <string_view>

#include "base/result.h"
#include "store/postgresql_target.h"

namespace maru::store {

// No connection, or one that broke: `message` is libpq's.
Error connection_error(const PostgresqlTarget& target, std::string_view message);

// `answer` failed. `sql` is what was asked for; parameters' values are repeated nowhere.
Error statement_error(const PostgresqlTarget& target, const PGresult* answer, std::string_view sql,
                      bool is_reader);

// "t (a, b)" out of a table's name and "Key (a, b)=(1, 2) already exists.", in whatever language:
// "t.a, t.b".
std::string key_columns(std::string_view table, std::string_view detail);

}  // namespace maru::store
