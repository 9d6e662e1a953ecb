// One connection to a SQLite file: settings, prepared statements, errors. Used by one thread at a
// time; its owner sees to that (store/sqlite.cpp).
#pragma once

#include <sqlite3.h>

#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "store/database.h"

namespace maru::store {

struct ConnectionOptions {
  std::string vfs = {};         // a registered VFS; empty: the file system
  bool is_reader = false;       // refuses to change anything
  bool foreign_keys = true;     // off while tables are rebuilt by a migration
  bool keeps_log = false;       // leaves the log as it is when closed
  int checkpoint_pages = 1000;  // of the log, before it is brought into the file: 4 MB
  int busy_ms = 10000;          // how long to wait for other processes
};

// The file's mark in its header, so that another program's file is not taken for ours: "MARU".
inline constexpr int kApplicationId = 0x4d415255;

class SqliteConnection {
 public:
  // Opens an existing file. Errors: kNotFound, kUnavailable, kCorrupt (not a database).
  static Result<std::unique_ptr<SqliteConnection>> open(const std::string& path,
                                                        const ConnectionOptions& options);
  ~SqliteConnection();
  SqliteConnection(const SqliteConnection&) = delete;
  SqliteConnection& operator=(const SqliteConnection&) = delete;

  Result<std::vector<Row>> query(std::string_view sql, std::span<const Value> parameters);
  Result<int64_t> execute(std::string_view sql, std::span<const Value> parameters);
  // One statement without parameters and results, not kept.
  Status run(const char* sql);
  // The first column of the first row of a PRAGMA.
  Result<int64_t> pragma(const char* name);

  // Runs `work` between `begin` and COMMIT; undoes it all if anything failed.
  Status transact(const char* begin, const std::function<Status(Transaction&)>& work);

  // The error of the last call, which ended with `code`. `sql` is what was asked for.
  Error error(int code, std::string_view sql) const;
  sqlite3* handle() const { return handle_; }

 private:
  struct Finalise {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  using Statement = std::unique_ptr<sqlite3_stmt, Finalise>;
  struct Kept {
    std::string sql;
    Statement statement;
  };

  SqliteConnection(std::string path, ConnectionOptions options)
      : path_(std::move(path)), options_(std::move(options)) {}
  Status configure();
  Result<sqlite3_stmt*> prepare(std::string_view sql);
  Status bind(sqlite3_stmt* statement, std::string_view sql, std::span<const Value> parameters);
  // Steps to the end; every row goes to `take`.
  Status step_all(std::string_view sql, std::span<const Value> parameters,
                  const std::function<void(sqlite3_stmt*)>& take);

  std::string path_;
  ConnectionOptions options_;
  sqlite3* handle_ = nullptr;
  std::list<Kept> statements_;  // the last used first
  std::unordered_map<std::string_view, std::list<Kept>::iterator> by_sql_;
};

}  // namespace maru::store
