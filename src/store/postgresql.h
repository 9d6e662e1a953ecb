// The PostgreSQL database: one connection that writes, several that read. Writers of all processes
// that use the same schema take turns by an advisory lock, as SQLite's do by the file's: limits and
// the audit's chain need no more thought here than there. Connections that broke are opened anew by
// the next who wants one.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/result.h"
#include "store/database.h"
#include "store/migrations.h"

namespace maru::store {

struct PostgresqlOptions {
  size_t n_readers = 4;
  std::span<const Migration* const> migrations = all_migrations();
  std::optional<int> version = {};  // of the tables; default: the newest. Lower ones go down.
};

bool is_postgresql_url(const std::string& location);

// The tables are in the first schema of the search path. Errors: kInvalidArgument (no such URL,
// another program's tables, a newer Maru's, an encoding that is not UTF-8), kUnavailable.
Result<std::unique_ptr<Database>> open_postgresql(const std::string& url,
                                                  const PostgresqlOptions& options = {});

}  // namespace maru::store
