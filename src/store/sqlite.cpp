#include "store/sqlite.h"

#include <fmt/format.h>

#include <atomic>
#include <filesystem>
#include <mutex>
#include <thread>

#include "base/check.h"
#include "base/log.h"
#include "store/connection_pool.h"
#include "store/file_lock.h"
#include "store/sqlite_connection.h"
#include "store/sqlite_files.h"

namespace maru::store {
namespace {

class SqliteDatabase final : public Database {
 public:
  SqliteDatabase(std::string path, const SqliteOptions& options,
                 std::unique_ptr<SqliteConnection> writer, std::optional<FileLock> lock)
      : path_(std::move(path)),
        vfs_(options.vfs),
        lock_(std::move(lock)),
        writer_(std::move(writer)),
        readers_(options.n_readers) {}

  Status write(const std::function<Status(Transaction&)>& work) override {
    MARU_CHECK(writing_thread_.load() != std::this_thread::get_id());
    const std::lock_guard lock(writer_mutex_);
    writing_thread_ = std::this_thread::get_id();
    // The write lock at once: a transaction that began to read and then wants to write could not
    // wait for the other processes.
    Status status = writer_->transact("BEGIN IMMEDIATE", work);
    writing_thread_ = std::thread::id();
    return status;
  }

  Status read(const std::function<Status(Transaction&)>& work) const override {
    return with_reader([&](SqliteConnection& reader) { return reader.transact("BEGIN", work); });
  }

  Status backup(const std::string& path) const override {
    return with_reader([&](SqliteConnection& reader) { return copy_database(reader, path); });
  }

  Status verify() const override {
    return with_reader([&](SqliteConnection& reader) { return check_database(reader, path_); });
  }

  bool is_postgresql() const override { return false; }

 private:
  Status with_reader(const std::function<Status(SqliteConnection&)>& work) const {
    return readers_.with([&](std::unique_ptr<SqliteConnection>& reader) -> Status {
      if (!reader) {
        MARU_ASSIGN_OR_RETURN(reader,
                              SqliteConnection::open(path_, {.vfs = vfs_, .is_reader = true}));
      }
      return work(*reader);
    });
  }

  const std::string path_, vfs_;
  const std::optional<FileLock> lock_;  // outlives the connections
  std::mutex writer_mutex_;
  std::atomic<std::thread::id> writing_thread_;
  std::unique_ptr<SqliteConnection> writer_;
  mutable ConnectionPool<SqliteConnection> readers_;
};

Status take_steps(SqliteConnection& connection, std::span<const MigrationStep> steps,
                  const std::string& path) {
  for (const MigrationStep& step : steps) {
    const Status taken = connection.transact("BEGIN IMMEDIATE", [&](Transaction& t) -> Status {
      MARU_RETURN_IF_ERROR(t.execute(fmt::format("PRAGMA application_id = {}", kApplicationId)));
      MARU_RETURN_IF_ERROR(take_step(t, step, Dialect::kSqlite));
      MARU_ASSIGN_OR_RETURN(const auto dangling, t.query("PRAGMA foreign_key_check"));
      if (dangling.empty()) return {};
      return Error{ErrorCode::kInternal,
                   fmt::format("migration {} ({}) of '{}' leaves rows of {} that refer to nothing",
                               step.migration->version, step.migration->name, path,
                               dangling[0].text_or_empty(0))};
    });
    MARU_RETURN_IF_ERROR(taken);
  }
  return {};
}

// Brings the tables to `target`. The caller holds the file alone.
Status migrate(const std::string& path, const SqliteOptions& options, int target) {
  MARU_ASSIGN_OR_RETURN(const auto connection,
                        SqliteConnection::open(path, {.vfs = options.vfs, .foreign_keys = false}));
  MARU_ASSIGN_OR_RETURN(const std::set<int> applied,
                        recognise_database(*connection, options.migrations, path));
  const auto steps = migration_steps(applied, options.migrations, target);
  if (!steps.empty() && !applied.empty() && options.vfs.empty()) {
    const std::string kept = dated_name(path, fmt::format("v{}", *applied.rbegin()));
    MARU_RETURN_IF_ERROR(copy_database(*connection, kept));
    log_info("'{}': tables go from version {} to {}; a copy from before is '{}'", path,
             *applied.rbegin(), target, kept);
  }
  return take_steps(*connection, steps, path);
}

Result<std::unique_ptr<SqliteConnection>> open_writer(const std::string& path,
                                                      const SqliteOptions& options) {
  MARU_ASSIGN_OR_RETURN(
      auto writer, SqliteConnection::open(
                       path, {.vfs = options.vfs, .checkpoint_pages = options.checkpoint_pages}));
  MARU_RETURN_IF_ERROR(writer->run("PRAGMA journal_mode = WAL"));
  return writer;
}

}  // namespace

Result<std::unique_ptr<Database>> open_sqlite(const std::string& path,
                                              const SqliteOptions& options) {
  const bool is_on_disk = options.vfs.empty();
  const int target = options.version.value_or(newest_version(options.migrations));
  if (is_on_disk) MARU_RETURN_IF_ERROR(make_private_file(path));
  // Looks with the shared lock; if there is something to do, does it alone and looks again: between
  // the two locks somebody else may have done it, or restored another file.
  while (true) {
    std::optional<FileLock> lock;
    if (is_on_disk) {
      MARU_ASSIGN_OR_RETURN(
          lock, FileLock::take(path, FileLock::Mode::kShared, options.lock_patience_ms));
    }
    MARU_ASSIGN_OR_RETURN(auto writer, open_writer(path, options));
    MARU_ASSIGN_OR_RETURN(const std::set<int> applied,
                          recognise_database(*writer, options.migrations, path));
    if (migration_steps(applied, options.migrations, target).empty()) {
      return std::unique_ptr<Database>(
          std::make_unique<SqliteDatabase>(path, options, std::move(writer), std::move(lock)));
    }
    writer.reset();
    lock.reset();
    if (is_on_disk) {
      MARU_ASSIGN_OR_RETURN(lock,
                            FileLock::take(path, FileLock::Mode::kAlone, options.lock_patience_ms));
    }
    MARU_RETURN_IF_ERROR(migrate(path, options, target));
  }
}

Result<int> sqlite_version(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return 0;
  const SqliteOptions options;
  MARU_ASSIGN_OR_RETURN(const FileLock lock,
                        FileLock::take(path, FileLock::Mode::kShared, options.lock_patience_ms));
  MARU_ASSIGN_OR_RETURN(const auto connection, SqliteConnection::open(path, {.is_reader = true}));
  MARU_ASSIGN_OR_RETURN(const std::set<int> applied,
                        recognise_database(*connection, options.migrations, path));
  return applied.empty() ? 0 : *applied.rbegin();
}

}  // namespace maru::store
