#include "store/postgresql.h"

#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>

#include "base/check.h"
#include "base/log.h"
#include "store/connection_pool.h"
#include "store/postgresql_connection.h"
#include "store/postgresql_error.h"
#include "store/postgresql_target.h"

namespace maru::store {
namespace {

using Clock = std::chrono::steady_clock;
using Work = std::function<Status(Transaction&)>;

constexpr std::chrono::milliseconds kPause{250};  // after a connection that could not be made
constexpr int kMaxTries = 4;

// "MARU" and the schema: who else uses advisory locks on this server is not in the way.
constexpr const char* kTakeTurns =
    "SELECT pg_advisory_xact_lock(1296126549, hashtext(current_schema()))";
constexpr const char* kBeginToRead = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

// Statements see what was committed before each began, so everything since the turn came.
std::string begin_to_write() {
  return fmt::format("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; {}", kTakeTurns);
}
std::string begin_to_migrate() {
  return fmt::format(
      "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL statement_timeout = 0; "
      "SET LOCAL lock_timeout = '10min'; {}",
      kTakeTurns);
}

class PostgresqlDatabase final : public Database {
 public:
  PostgresqlDatabase(PostgresqlTarget target, size_t n_readers)
      : target_(std::move(target)), readers_(n_readers) {}

  Status write(const Work& work) override { return write_after(begin_to_write(), work); }

  Status write_after(const std::string& begin, const Work& work) {
    MARU_CHECK(writing_thread_.load() != std::this_thread::get_id());
    const std::lock_guard lock(writer_mutex_);
    writing_thread_ = std::this_thread::get_id();
    Status status = transact(writer_, false, begin, work);
    // Only others than Maru can outrun it: they don't wait for the turn.
    for (int i = 1; i < kMaxTries && !status && writer_ && writer_->was_outrun(); ++i) {
      status = transact(writer_, false, begin, work);
    }
    writing_thread_ = std::thread::id();
    return status;
  }

  Status read(const Work& work) const override {
    return readers_.with([&](std::unique_ptr<PostgresqlConnection>& reader) {
      return transact(reader, true, kBeginToRead, work);
    });
  }

  Status backup(const std::string&) const override {
    return Error{ErrorCode::kInvalidArgument, fmt::format("the data is in {}", target_.where),
                 "make its backups with pg_dump"};
  }

  // What the server itself keeps: pages are checked by its checksums and by pg_amcheck.
  Status verify() const override {
    return read([&](Transaction& t) -> Status {
      MARU_ASSIGN_OR_RETURN(
          const auto rows,
          t.query("SELECT conname AS name FROM pg_constraint "
                  "WHERE connamespace = current_schema()::regnamespace AND NOT convalidated "
                  "UNION ALL SELECT c.relname FROM pg_index i "
                  "JOIN pg_class c ON c.oid = i.indexrelid "
                  "WHERE c.relnamespace = current_schema()::regnamespace "
                  "AND NOT (i.indisvalid AND i.indisready) ORDER BY name"));
      if (rows.empty()) return {};
      return Error{ErrorCode::kCorrupt,
                   fmt::format("{}: '{}' is not valid", target_.where, rows[0].text(0)),
                   "rebuild it (REINDEX, VALIDATE CONSTRAINT), or restore a backup: pg_restore"};
    });
  }

  bool is_postgresql() const override { return true; }
  const PostgresqlTarget& target() const { return target_; }

 private:
  // One transaction on `connection`, which is opened if it is empty and emptied if it broke.
  Status transact(std::unique_ptr<PostgresqlConnection>& connection, bool is_reader,
                  const std::string& begin, const Work& work) const {
    Status status = begin_on(connection, is_reader, begin);
    if (status) status = connection->finish(work);
    if (connection && connection->is_lost()) connection.reset();
    return status;
  }

  Status begin_on(std::unique_ptr<PostgresqlConnection>& connection, bool is_reader,
                  const std::string& begin) const {
    if (connection) {
      Status status = connection->begin(begin);
      if (!connection->is_lost()) return status;
      connection.reset();  // went away while nobody used it: nothing was done yet
    }
    MARU_ASSIGN_OR_RETURN(connection, connect(is_reader));
    return connection->begin(begin);
  }

  // While the server is away most callers are told at once, and few wait for its silence.
  Result<std::unique_ptr<PostgresqlConnection>> connect(bool is_reader) const {
    {
      const std::lock_guard lock(away_mutex_);
      if (away_ && Clock::now() < away_until_) return *away_;
    }
    auto connection = PostgresqlConnection::open(target_, is_reader);
    const std::lock_guard lock(away_mutex_);
    if (!connection) {
      if (was_there_ && !away_) log_warning("{}", connection.error().to_string());
      away_ = connection.error();
      away_until_ = Clock::now() + kPause;
      return connection;
    }
    if (away_) log_info("{} answers again", target_.where);
    away_.reset();
    was_there_ = true;
    return connection;
  }

  const PostgresqlTarget target_;  // outlives the connections
  std::mutex writer_mutex_;
  std::atomic<std::thread::id> writing_thread_;
  std::unique_ptr<PostgresqlConnection> writer_;
  mutable ConnectionPool<PostgresqlConnection> readers_;
  mutable std::mutex away_mutex_;
  mutable std::optional<Error> away_;  // why the last attempt to connect failed
  mutable Clock::time_point away_until_;
  mutable bool was_there_ = false;  // ever
};

Error not_ours(const std::string& where) {
  return {ErrorCode::kInvalidArgument, fmt::format("{} holds the tables of another program", where),
          "make a database of its own for Maru: CREATE DATABASE maru"};
}

// Errors: kInvalidArgument if nothing could be kept there as it must be.
Status check_server(Transaction& t, const std::string& where) {
  MARU_ASSIGN_OR_RETURN(const auto rows,
                        t.query("SELECT current_schema(), current_setting('server_encoding'), "
                                "current_setting('fsync')"));
  if (rows[0].is_null(0)) {
    return Error{ErrorCode::kInvalidArgument, fmt::format("{} has no schema to use", where),
                 "make the schema that the search path names: CREATE SCHEMA"};
  }
  if (rows[0].text(1) != "UTF8") {
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("{} has the encoding {}", where, rows[0].text(1)),
                 "make the database with ENCODING 'UTF8' TEMPLATE template0"};
  }
  if (rows[0].text(2) == "off") {
    log_warning("{} runs with fsync = off: what was acknowledged can be lost with the power",
                where);
  }
  return {};
}

// The versions that were applied. Errors: kInvalidArgument if the tables are not ours, or newer.
Result<std::set<int>> recognise(PostgresqlDatabase& database,
                                std::span<const Migration* const> known) {
  const std::string& where = database.target().where;
  std::set<int> applied;
  const Status read = database.read([&](Transaction& t) -> Status {
    MARU_RETURN_IF_ERROR(check_server(t, where));
    // What belongs to an extension is nobody's data.
    MARU_ASSIGN_OR_RETURN(
        const auto tables,
        t.query("SELECT c.relname, COALESCE(obj_description(c.oid, 'pg_class'), '') "
                "FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace "
                "AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT EXISTS "
                "(SELECT 1 FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')"));
    bool has_versions = false;
    for (const Row& table : tables) {
      has_versions |= table.text(0) == "schema_version" && table.text(1) == "Maru";
    }
    if (!has_versions && !tables.empty()) return not_ours(where);
    MARU_ASSIGN_OR_RETURN(applied, applied_versions(t, has_versions));
    return {};
  });
  MARU_RETURN_IF_ERROR(read);
  MARU_RETURN_IF_ERROR(check_versions(applied, known, where));
  return applied;
}

// Each in a transaction of its own, which does nothing if another server was faster.
Status take_steps(PostgresqlDatabase& database, std::span<const MigrationStep> steps) {
  for (const MigrationStep& step : steps) {
    const Status taken = database.write_after(begin_to_migrate(), [&](Transaction& t) -> Status {
      MARU_RETURN_IF_ERROR(take_step(t, step, Dialect::kPostgresql));
      MARU_RETURN_IF_ERROR(t.execute("COMMENT ON TABLE schema_version IS 'Maru'"));
      return {};
    });
    MARU_RETURN_IF_ERROR(taken);
  }
  return {};
}

}  // namespace

bool is_postgresql_url(const std::string& location) {
  return location.starts_with("postgresql://") || location.starts_with("postgres://");
}

Result<std::unique_ptr<Database>> open_postgresql(const std::string& url,
                                                  const PostgresqlOptions& options) {
  MARU_ASSIGN_OR_RETURN(PostgresqlTarget target, parse_target(url));
  auto database = std::make_unique<PostgresqlDatabase>(std::move(target), options.n_readers);
  const int goal = options.version.value_or(newest_version(options.migrations));
  while (true) {
    MARU_ASSIGN_OR_RETURN(const std::set<int> applied, recognise(*database, options.migrations));
    const auto steps = migration_steps(applied, options.migrations, goal);
    if (steps.empty()) return std::unique_ptr<Database>(std::move(database));
    if (!applied.empty()) {
      log_info("{}: tables go from version {} to {}", database->target().where, *applied.rbegin(),
               goal);
    }
    MARU_RETURN_IF_ERROR(take_steps(*database, steps));
  }
}

}  // namespace maru::store
