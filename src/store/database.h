// A relational database behind one interface: SQLite (a file, the default) or PostgreSQL (a URL).
// SQL is written once, in the common subset of both, with `?` for parameters. Errors: kUnavailable
// (disk full, no connection; reads go on, writes work again once there is room), kConflict (a
// unique or foreign key, or a trigger that refuses), kCorrupt (a damaged file), kInvalidArgument
// (text that is not UTF-8 or holds a zero byte), kInternal (wrong SQL, a CHECK or NOT NULL).
// Messages name tables and columns, never values.
//
// Thread-safe. Writes come one after the other, also those of other processes; reads run beside
// them on connections of their own and see what was committed before they began. A read or write
// inside another one is a programmer's mistake (a write inside a write aborts).
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

namespace maru::store {

struct Blob {
  std::string bytes;
  bool operator==(const Blob&) const = default;
};
using Value = std::variant<std::monostate, int64_t, double, std::string, Blob>;  // monostate: NULL

// One row of a result. Asking a column for another type than it has, or NULL for a number, is a
// programmer's mistake (MARU_CHECK); optional columns are asked by is_null() first. real() takes
// integers too.
class Row {
 public:
  explicit Row(std::vector<Value> values) : values_(std::move(values)) {}
  size_t size() const { return values_.size(); }
  bool is_null(size_t column) const;
  int64_t integer(size_t column) const;
  double real(size_t column) const;
  const std::string& text(size_t column) const;
  const std::string& blob(size_t column) const;
  std::string text_or_empty(size_t column) const;          // NULL: ""
  int64_t integer_or(size_t column, int64_t other) const;  // NULL: other

 private:
  std::vector<Value> values_;
};

// What a piece of work may do inside a transaction. Not to be kept. One statement at a time. Once a
// statement failed the transaction can only be undone: it ends with that error, even if the work
// goes on (use ON CONFLICT where a conflict is expected). A NULL parameter takes its type from
// where it stands, so compare or store it; `? IS NULL` has no type in PostgreSQL.
class Transaction {
 public:
  virtual ~Transaction() = default;
  virtual Result<std::vector<Row>> query(std::string_view sql,
                                         std::span<const Value> parameters) = 0;
  // Rows that were changed, without those that triggers and foreign keys changed.
  virtual Result<int64_t> execute(std::string_view sql, std::span<const Value> parameters) = 0;
  // For what the dialects have in common only by its result, as full text.
  virtual bool is_postgresql() const = 0;

  Result<std::vector<Row>> query(std::string_view sql, std::initializer_list<Value> p = {}) {
    return query(sql, std::span<const Value>(p.begin(), p.size()));
  }
  Result<int64_t> execute(std::string_view sql, std::initializer_list<Value> p = {}) {
    return execute(sql, std::span<const Value>(p.begin(), p.size()));
  }
};

struct DatabaseOptions {
  size_t n_readers = 4;
};

class Database {
 public:
  // `location`: a path (made if missing, mode 0600) or "postgresql://...". Runs the migrations that
  // are missing (store/migrations.h); SQLite makes a backup beside the file first if there was
  // data.
  static Result<std::unique_ptr<Database>> open(const std::string& location,
                                                const DatabaseOptions& options = {});
  virtual ~Database() = default;

  // Commits if `work` succeeds, undoes everything it did if not. When write() returns success, the
  // changes survive a crash of the program and of the machine. After kUnavailable from PostgreSQL
  // they may be there too, all of them: its answer was lost. `work` may run again, if a program
  // that is not Maru got in the way: it gives what it found by assigning, not by adding.
  virtual Status write(const std::function<Status(Transaction&)>& work) = 0;
  virtual Status read(const std::function<Status(Transaction&)>& work) const = 0;

  // A consistent copy while others write (SQLite only). Errors: kConflict if `path` exists.
  virtual Status backup(const std::string& path) const = 0;
  // Checks structure and foreign keys (PostgreSQL: what it knows of them). kCorrupt says what was
  // found.
  virtual Status verify() const = 0;
  virtual bool is_postgresql() const = 0;
};

// Errors of constraints, by name: "users.name" for a unique column, "members.group, members.user"
// for several, "" for other errors.
std::string conflict_column(const Error& error);

}  // namespace maru::store
