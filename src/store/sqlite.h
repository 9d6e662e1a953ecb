// The SQLite database: one connection that writes, several that read, one file with its log beside
// it ("-wal", "-shm"; both 0600) and a lock ("<file>.lock", store/file_lock.h).
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/result.h"
#include "store/database.h"
#include "store/migrations.h"

namespace maru::store {

struct SqliteOptions {
  size_t n_readers = 4;
  std::string vfs =
      {};  // a registered VFS, whose files need no folder and no lock; empty: the disk
  std::span<const Migration* const> migrations = all_migrations();
  std::optional<int> version = {};  // of the tables; default: the newest. Lower ones go down.
  int checkpoint_pages = 1000;      // of the log, before a writer brings it into the file
  int lock_patience_ms = 3000;      // for those who have the file, where it must be had alone
};

// Errors: kInvalidArgument (another program's file, a newer Maru's), kConflict (to be upgraded, but
// in use), kCorrupt, kUnavailable.
Result<std::unique_ptr<Database>> open_sqlite(const std::string& path,
                                              const SqliteOptions& options = {});

// The version of the tables of a file as it is; 0: there are none yet. Changes nothing. Errors:
// those of open_sqlite.
Result<int> sqlite_version(const std::string& path);

}  // namespace maru::store
