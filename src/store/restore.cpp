#include "store/restore.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "base/io_error.h"
#include "store/file_lock.h"
#include "store/migrations.h"
#include "store/sqlite_files.h"

namespace maru::store {
namespace {

namespace fs = std::filesystem;
constexpr int kLockPatienceMs = 500;

bool exists(const std::string& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

// The version of a Maru database's tables.
Result<int> version_of(SqliteConnection& connection, const std::string& path,
                       std::span<const Migration* const> known) {
  MARU_ASSIGN_OR_RETURN(const std::set<int> applied, recognise_database(connection, known, path));
  if (applied.empty()) {
    return Error{ErrorCode::kInvalidArgument, fmt::format("'{}' holds no data", path),
                 "name a file that 'maru backup' wrote"};
  }
  return *applied.rbegin();
}

// Brings what is still in the log into the file, so that it is whole without it, and keeps both
// under the names that belong together. Where the first fails (the file is damaged, say), the log
// is kept as it is.
Status set_aside(const std::string& path, const std::string& kept) {
  {
    const auto connection = SqliteConnection::open(path, {.keeps_log = true});
    if (connection) (void)(*connection)->query("PRAGMA wal_checkpoint(TRUNCATE)", {});
  }
  const bool is_linked = ::link(path.c_str(), kept.c_str()) == 0;
  if (exists(path + "-wal") && ::rename((path + "-wal").c_str(), (kept + "-wal").c_str()) != 0) {
    return io_error("rename", path + "-wal");
  }
  ::unlink((path + "-shm").c_str());
  // A file system without links: for a moment there is no file of that name.
  if (!is_linked && ::rename(path.c_str(), kept.c_str()) != 0) return io_error("rename", path);
  return sync_folder_of(path);
}

}  // namespace

Result<BackupReport> back_up(const std::string& path, const std::string& copy,
                             std::span<const Migration* const> known) {
  if (!exists(path)) {
    return Error{ErrorCode::kNotFound, fmt::format("there is no data at '{}' yet", path),
                 "check the data folder (MARU_HOME)"};
  }
  MARU_ASSIGN_OR_RETURN(const FileLock lock,
                        FileLock::take(path, FileLock::Mode::kShared, kLockPatienceMs));
  MARU_ASSIGN_OR_RETURN(const auto source, SqliteConnection::open(path, {.is_reader = true}));
  BackupReport report;
  MARU_ASSIGN_OR_RETURN(report.version, version_of(*source, path, known));
  MARU_RETURN_IF_ERROR(copy_database(*source, copy));
  std::error_code ignored;
  report.n_bytes = fs::file_size(copy, ignored);
  return report;
}

Result<RestoreReport> restore(const std::string& backup, const std::string& path,
                              std::span<const Migration* const> known) {
  std::error_code ignored;
  if (!exists(backup)) {
    return Error{ErrorCode::kNotFound, fmt::format("there is no file '{}'", backup),
                 "check the path"};
  }
  if (fs::equivalent(backup, path, ignored)) {
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("'{}' is the data itself, not a backup of it", backup),
                 "name a file that 'maru backup' wrote"};
  }
  MARU_RETURN_IF_ERROR(make_private_folder_of(path));
  MARU_ASSIGN_OR_RETURN(const FileLock lock,
                        FileLock::take(path, FileLock::Mode::kAlone, kLockPatienceMs));
  RestoreReport report;
  const std::string fresh = path + ".restoring";
  remove_database(fresh);  // of a run that was killed
  {
    MARU_ASSIGN_OR_RETURN(const auto source, SqliteConnection::open(backup, {.is_reader = true}));
    MARU_ASSIGN_OR_RETURN(report.version, version_of(*source, backup, known));
    MARU_RETURN_IF_ERROR(check_database(*source, backup));
    MARU_RETURN_IF_ERROR(copy_database(*source, fresh));
  }
  if (exists(path)) {
    report.kept = dated_name(path, "before-restore");
    MARU_RETURN_IF_ERROR(set_aside(path, report.kept));
  }
  if (::rename(fresh.c_str(), path.c_str()) != 0) return io_error("rename to", path);
  MARU_RETURN_IF_ERROR(sync_folder_of(path));
  return report;
}

}  // namespace maru::store
