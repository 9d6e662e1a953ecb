#include "store/sqlite_files.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <filesystem>

#include "base/io_error.h"

namespace maru::store {
namespace {

namespace fs = std::filesystem;
constexpr int kPagesAtOnce = 1024;

std::string folder_of(const std::string& path) {
  const fs::path folder = fs::path(path).parent_path();
  return folder.empty() ? "." : folder.string();
}

Status copy_pages(SqliteConnection& source, SqliteConnection& copy, const std::string& path) {
  sqlite3_backup* backup = sqlite3_backup_init(copy.handle(), "main", source.handle(), "main");
  if (backup == nullptr) return copy.error(sqlite3_extended_errcode(copy.handle()), "backup");
  int code = SQLITE_OK;
  while (code == SQLITE_OK) code = sqlite3_backup_step(backup, kPagesAtOnce);
  const int end = sqlite3_backup_finish(backup);
  if (code == SQLITE_DONE && end == SQLITE_OK) return {};
  Error error = copy.error(end == SQLITE_OK ? code : end, "backup");
  error.message = fmt::format("cannot copy to '{}': {}", path, error.message);
  return error;
}

// Copies and checks under a name of its own; the caller removes it if this fails.
Status copy_to_temporary(SqliteConnection& source, const std::string& temporary) {
  MARU_RETURN_IF_ERROR(make_private_file(temporary));
  MARU_ASSIGN_OR_RETURN(const auto copy, SqliteConnection::open(temporary, {}));
  // Read in one transaction, so that others' commits do not start the copy again and again.
  MARU_RETURN_IF_ERROR(source.run("BEGIN"));
  Status copied = source.query("SELECT count(*) FROM sqlite_schema", {}).has_value()
                      ? copy_pages(source, *copy, temporary)
                      : source.error(sqlite3_extended_errcode(source.handle()), "backup");
  sqlite3_exec(source.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
  MARU_RETURN_IF_ERROR(copied);
  // One file, without a log beside it, which a copy by hand would forget.
  MARU_RETURN_IF_ERROR(copy->run("PRAGMA journal_mode = DELETE"));
  return check_database(*copy, temporary);
}

// Unlike rename(), does not replace what appeared meanwhile, where the file system can do that.
bool rename_to_free_name(const std::string& from, const std::string& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return true;
  return errno == EINVAL && ::rename(from.c_str(), to.c_str()) == 0;
}

Status sync_file(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return io_error("open", path);
  Status status;
  if (::fsync(fd) != 0) status = io_error("sync", path);
  ::close(fd);
  return status;
}

}  // namespace

Status make_private_folder_of(const std::string& path) {
  const std::string folder = folder_of(path);
  std::error_code failed;
  if (fs::is_directory(folder, failed)) return {};
  const fs::path parent = fs::path(folder).parent_path();
  if (!parent.empty()) fs::create_directories(parent, failed);
  if (::mkdir(folder.c_str(), S_IRWXU) != 0 && errno != EEXIST) return io_error("make", folder);
  return {};
}

void remove_database(const std::string& path) {
  for (const char* suffix : {"", "-journal", "-wal", "-shm"}) ::unlink((path + suffix).c_str());
}

std::string dated_name(const std::string& path, const std::string& what) {
  const auto now = std::chrono::system_clock::now();
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch());
  return fmt::format("{}.{}-{:%Y%m%dT%H%M%S}.{:03}Z", path, what,
                     std::chrono::floor<std::chrono::seconds>(now), ms.count() % 1000);
}

Status make_private_file(const std::string& path) {
  MARU_RETURN_IF_ERROR(make_private_folder_of(path));
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (fd >= 0) {
    ::close(fd);
    return sync_folder_of(path);
  }
  if (errno != EEXIST) return io_error("make", path);
  struct stat found = {};
  if (::stat(path.c_str(), &found) != 0) return io_error("look at", path);
  if ((found.st_mode & (S_IRWXG | S_IRWXO)) != 0 && ::chmod(path.c_str(), S_IRUSR | S_IWUSR) != 0) {
    return io_error("protect", path);
  }
  return {};
}

Status sync_folder_of(const std::string& path) {
  const std::string folder = folder_of(path);
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return io_error("open", folder);
  Status status;
  if (::fsync(fd) != 0) status = io_error("sync", folder);
  ::close(fd);
  return status;
}

Status copy_database(SqliteConnection& source, const std::string& path) {
  const Error taken{ErrorCode::kConflict, fmt::format("'{}' is there already", path),
                    "choose another name, or remove it first"};
  std::error_code ignored;
  if (fs::exists(path, ignored)) return taken;
  const std::string temporary = fmt::format("{}.tmp.{}", path, ::getpid());
  remove_database(temporary);
  Status status = copy_to_temporary(source, temporary);
  if (status) status = sync_file(temporary);
  if (status && !rename_to_free_name(temporary, path)) {
    status = errno == EEXIST ? taken : io_error("rename to", path);
  }
  if (!status) {
    remove_database(temporary);
    return status;
  }
  return sync_folder_of(path);
}

Result<std::set<int>> recognise_database(SqliteConnection& connection,
                                         std::span<const Migration* const> known,
                                         const std::string& path) {
  const std::string where = fmt::format("'{}'", path);
  std::set<int> applied;
  const Status status = connection.transact("BEGIN", [&](Transaction& t) -> Status {
    MARU_ASSIGN_OR_RETURN(const auto tables,
                          t.query("SELECT count(*), sum(name = 'schema_version') "
                                  "FROM sqlite_schema WHERE type = 'table'"));
    const bool has_table = tables[0].integer_or(1, 0) > 0;
    MARU_ASSIGN_OR_RETURN(const auto id, t.query("PRAGMA application_id"));
    if (tables[0].integer(0) > 0 && (!has_table || id[0].integer(0) != kApplicationId)) {
      return Error{ErrorCode::kInvalidArgument, where + " is the database of another program",
                   "name another file"};
    }
    MARU_ASSIGN_OR_RETURN(applied, applied_versions(t, has_table));
    return check_versions(applied, known, where);
  });
  MARU_RETURN_IF_ERROR(status);
  return applied;
}

Status check_database(SqliteConnection& connection, const std::string& path) {
  const auto damaged = [&](const std::string& what) {
    return Error{ErrorCode::kCorrupt, fmt::format("'{}' is damaged: {}", path, what),
                 "restore a backup: maru restore"};
  };
  MARU_ASSIGN_OR_RETURN(const std::vector<Row> found,
                        connection.query("PRAGMA integrity_check(1)", {}));
  if (found.empty() || found[0].text(0) != "ok") {
    return damaged(found.empty() ? "it cannot be checked" : found[0].text(0));
  }
  MARU_ASSIGN_OR_RETURN(const std::vector<Row> dangling,
                        connection.query("PRAGMA foreign_key_check", {}));
  if (!dangling.empty()) {
    return damaged(fmt::format("a row of {} refers to a row of {} that is not there",
                               dangling[0].text_or_empty(0), dangling[0].text_or_empty(2)));
  }
  return {};
}

}  // namespace maru::store
