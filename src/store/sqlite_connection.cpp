#include "store/sqlite_connection.h"

#include <fmt/format.h>

#include <array>
#include <optional>

#include "store/connection_transaction.h"
#include "store/parameters.h"

namespace maru::store {
namespace {

constexpr size_t kMaxStatements = 200;

// A statement that was stepped must be reset before the next use, also after an error.
class ResetAtEnd {
 public:
  explicit ResetAtEnd(sqlite3_stmt* statement) : statement_(statement) {}
  ResetAtEnd(const ResetAtEnd&) = delete;
  ResetAtEnd& operator=(const ResetAtEnd&) = delete;
  ~ResetAtEnd() {
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
  }

 private:
  sqlite3_stmt* statement_;
};

Value column_value(sqlite3_stmt* statement, int column) {
  const auto bytes = [&](const void* data) {
    const auto size = static_cast<size_t>(sqlite3_column_bytes(statement, column));
    return size == 0 ? std::string() : std::string(static_cast<const char*>(data), size);
  };
  switch (sqlite3_column_type(statement, column)) {
    case SQLITE_INTEGER: return int64_t{sqlite3_column_int64(statement, column)};
    case SQLITE_FLOAT: return sqlite3_column_double(statement, column);
    case SQLITE_TEXT: return bytes(sqlite3_column_text(statement, column));
    case SQLITE_BLOB: return Blob{bytes(sqlite3_column_blob(statement, column))};
    default: return std::monostate();
  }
}

struct Binder {
  sqlite3_stmt* statement;
  int index;

  int operator()(std::monostate) const { return sqlite3_bind_null(statement, index); }
  int operator()(int64_t value) const { return sqlite3_bind_int64(statement, index, value); }
  int operator()(double value) const { return sqlite3_bind_double(statement, index, value); }
  int operator()(const std::string& value) const {
    return sqlite3_bind_text64(statement, index, value.data(), value.size(), SQLITE_STATIC,
                               SQLITE_UTF8);
  }
  int operator()(const Blob& value) const {
    // A null pointer would bind NULL, not an empty blob.
    const char* data = value.bytes.empty() ? "" : value.bytes.data();
    return sqlite3_bind_blob64(statement, index, data, value.bytes.size(), SQLITE_STATIC);
  }
};

using SqliteTransaction = ConnectionTransaction<SqliteConnection, false>;

// "UNIQUE constraint failed: users.name" and "...: index 'users_name'".
std::string constraint_target(std::string_view message) {
  const size_t colon = message.find(": ");
  if (colon == std::string_view::npos) return "";
  std::string_view target = message.substr(colon + 2);
  if (target.starts_with("index '")) {
    target.remove_prefix(7);
    if (target.ends_with("'")) target.remove_suffix(1);
  }
  return std::string(target);
}

Error constraint_error(int code, const std::string& path, std::string_view message,
                       std::string_view sql) {
  switch (code) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_ROWID: {
      const std::string target = constraint_target(message);
      return {ErrorCode::kConflict, fmt::format("{} is taken", target), "choose another value",
              target};
    }
    case SQLITE_CONSTRAINT_FOREIGNKEY:
      return {ErrorCode::kConflict, "what is named does not exist, or is still in use",
              "check what the change refers to", "", Reason{"in_use_or_gone"}};
    case SQLITE_CONSTRAINT_TRIGGER:
      return {ErrorCode::kConflict, std::string(message), "this data cannot be changed so"};
    default: return {ErrorCode::kInternal, fmt::format("'{}': {} in: {}", path, message, sql)};
  }
}

}  // namespace

Result<std::unique_ptr<SqliteConnection>> SqliteConnection::open(const std::string& path,
                                                                 const ConnectionOptions& options) {
  std::unique_ptr<SqliteConnection> connection(new SqliteConnection(path, options));
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  const int code = sqlite3_open_v2(path.c_str(), &connection->handle_, flags,
                                   options.vfs.empty() ? nullptr : options.vfs.c_str());
  if (code != SQLITE_OK) return connection->error(code, "open");
  MARU_RETURN_IF_ERROR(connection->configure());
  return connection;
}

SqliteConnection::~SqliteConnection() {
  by_sql_.clear();
  statements_.clear();
  sqlite3_close_v2(handle_);
}

Status SqliteConnection::configure() {
  sqlite3_busy_timeout(handle_, options_.busy_ms);
  sqlite3_db_config(handle_, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(handle_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, options_.keeps_log ? 1 : 0, nullptr);
  // Text in double quotes is a name, as in PostgreSQL.
  sqlite3_db_config(handle_, SQLITE_DBCONFIG_DQS_DML, 0, nullptr);
  sqlite3_db_config(handle_, SQLITE_DBCONFIG_DQS_DDL, 0, nullptr);
  for (const char* sql : {
           "PRAGMA trusted_schema = OFF", "PRAGMA cell_size_check = ON",
           "PRAGMA synchronous = FULL",             // an acknowledged commit is on the disk
           "PRAGMA journal_size_limit = 16777216",  // bytes that the log keeps after a checkpoint
           "PRAGMA cache_size = -8192",             // KiB
           "PRAGMA temp_store = MEMORY",            // a full disk does not end a read that sorts
           "PRAGMA secure_delete = ON",             // what is deleted is gone from the file too
       }) {
    MARU_RETURN_IF_ERROR(run(sql));
  }
  sqlite3_wal_autocheckpoint(handle_, options_.checkpoint_pages);
  MARU_RETURN_IF_ERROR(
      run(options_.foreign_keys ? "PRAGMA foreign_keys = ON" : "PRAGMA foreign_keys = OFF"));
  if (options_.is_reader) MARU_RETURN_IF_ERROR(run("PRAGMA query_only = ON"));
  return {};
}

Result<sqlite3_stmt*> SqliteConnection::prepare(std::string_view sql) {
  if (const auto found = by_sql_.find(sql); found != by_sql_.end()) {
    statements_.splice(statements_.begin(), statements_, found->second);
    return found->second->statement.get();
  }
  sqlite3_stmt* raw = nullptr;
  const char* tail = nullptr;
  const int code = sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &raw, &tail);
  Statement statement(raw);
  if (code != SQLITE_OK) return error(code, sql);
  const std::string_view rest = sql.substr(static_cast<size_t>(tail - sql.data()));
  if (!statement || rest.find_first_not_of(" \n\t;") != std::string_view::npos) {
    return Error{ErrorCode::kInternal, fmt::format("not one statement: {}", sql)};
  }
  if (statements_.size() >= kMaxStatements) {
    by_sql_.erase(statements_.back().sql);
    statements_.pop_back();
  }
  statements_.push_front({std::string(sql), std::move(statement)});
  by_sql_.emplace(statements_.front().sql, statements_.begin());
  return statements_.front().statement.get();
}

Status SqliteConnection::bind(sqlite3_stmt* statement, std::string_view sql,
                              std::span<const Value> parameters) {
  const int n_wanted = sqlite3_bind_parameter_count(statement);
  if (static_cast<size_t>(n_wanted) != parameters.size()) {
    return Error{ErrorCode::kInternal, fmt::format("{} parameters given, {} wanted in: {}",
                                                   parameters.size(), n_wanted, sql)};
  }
  MARU_RETURN_IF_ERROR(check_parameters(parameters));
  for (size_t i = 0; i < parameters.size(); ++i) {
    const int code = std::visit(Binder{statement, static_cast<int>(i) + 1}, parameters[i]);
    if (code != SQLITE_OK) return error(code, sql);
  }
  return {};
}

Status SqliteConnection::step_all(std::string_view sql, std::span<const Value> parameters,
                                  const std::function<void(sqlite3_stmt*)>& take) {
  MARU_ASSIGN_OR_RETURN(sqlite3_stmt * statement, prepare(sql));
  const ResetAtEnd reset(statement);
  MARU_RETURN_IF_ERROR(bind(statement, sql, parameters));
  while (true) {
    const int code = sqlite3_step(statement);
    if (code == SQLITE_DONE) return {};
    if (code != SQLITE_ROW) return error(code, sql);
    take(statement);
  }
}

Result<std::vector<Row>> SqliteConnection::query(std::string_view sql,
                                                 std::span<const Value> parameters) {
  std::vector<Row> rows;
  MARU_RETURN_IF_ERROR(step_all(sql, parameters, [&](sqlite3_stmt* statement) {
    std::vector<Value> values(static_cast<size_t>(sqlite3_column_count(statement)));
    for (size_t i = 0; i < values.size(); ++i) {
      values[i] = column_value(statement, static_cast<int>(i));
    }
    rows.emplace_back(std::move(values));
  }));
  return rows;
}

Result<int64_t> SqliteConnection::execute(std::string_view sql, std::span<const Value> parameters) {
  const int64_t before = sqlite3_total_changes64(handle_);
  MARU_RETURN_IF_ERROR(step_all(sql, parameters, [](sqlite3_stmt*) {}));
  const bool has_changed = sqlite3_total_changes64(handle_) != before;
  return has_changed ? int64_t{sqlite3_changes64(handle_)} : 0;
}

Status SqliteConnection::run(const char* sql) {
  const int code = sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return error(code, sql);
  return {};
}

Result<int64_t> SqliteConnection::pragma(const char* name) {
  MARU_ASSIGN_OR_RETURN(const std::vector<Row> rows, query(fmt::format("PRAGMA {}", name), {}));
  return rows.empty() ? 0 : rows[0].integer(0);
}

Status SqliteConnection::transact(const char* begin,
                                  const std::function<Status(Transaction&)>& work) {
  MARU_RETURN_IF_ERROR(run(begin));
  SqliteTransaction transaction(*this);
  Status status = work(transaction);
  if (status && transaction.failure()) status = *transaction.failure();
  if (status) status = run("COMMIT");
  // SQLite may have undone it already: after a full disk, for one.
  if (!status && sqlite3_get_autocommit(handle_) == 0) {
    sqlite3_exec(handle_, "ROLLBACK", nullptr, nullptr, nullptr);
  }
  return status;
}

Error SqliteConnection::error(int code, std::string_view sql) const {
  const std::string message = handle_ != nullptr ? sqlite3_errmsg(handle_) : sqlite3_errstr(code);
  switch (code & 0xff) {
    case SQLITE_FULL:
      return {ErrorCode::kUnavailable, fmt::format("cannot write '{}': the disk is full", path_),
              "free disk space; reads go on, and writes work again once there is room", "",
              Reason{"server_disk_full"}};
    case SQLITE_IOERR:
      return {ErrorCode::kUnavailable, fmt::format("'{}': {} (code {})", path_, message, code),
              "check the disk"};
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
      return {ErrorCode::kUnavailable, fmt::format("'{}' is kept busy by another process", path_),
              "try again", "", Reason{"server_busy"}};
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_NOLFS:
      return {ErrorCode::kUnavailable, fmt::format("cannot open '{}': {}", path_, message),
              "check the path and its permissions"};
    case SQLITE_READONLY:
      if (options_.is_reader) break;  // our own mistake
      return {ErrorCode::kUnavailable, fmt::format("cannot write '{}': {}", path_, message),
              "check the file's permissions and those of its folder"};
    case SQLITE_NOMEM:
      return {ErrorCode::kUnavailable, fmt::format("'{}': out of memory", path_), "free memory"};
    case SQLITE_TOOBIG:
      return {ErrorCode::kTooLarge, "a value is larger than the database can hold",
              "make it smaller"};
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return {ErrorCode::kCorrupt, fmt::format("'{}' is damaged: {}", path_, message),
              "restore a backup: maru restore"};
    case SQLITE_CONSTRAINT: return constraint_error(code, path_, message, sql);
    default: break;
  }
  return {ErrorCode::kInternal,
          fmt::format("'{}': {} (code {}) in: {}", path_, message, code, sql)};
}

}  // namespace maru::store
