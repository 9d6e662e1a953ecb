// Copies of the data file for people: made while a server runs, checked, and put back. SQLite only;
// PostgreSQL has pg_dump. Functions take and release the file's lock (store/file_lock.h).
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/result.h"
#include "store/migrations.h"

namespace maru::store {

struct BackupReport {
  uint64_t n_bytes = 0;
  int version = 0;  // of its tables
};

// Copies the data of `path` to `copy`, which appears complete and checked, or not at all. Changes
// nothing at `path`, not even its version. Errors: kNotFound (no data yet), kConflict (`copy`
// exists), kCorrupt, kUnavailable.
Result<BackupReport> back_up(const std::string& path, const std::string& copy,
                             std::span<const Migration* const> known = all_migrations());

struct RestoreReport {
  int version = 0;   // of the tables that are in force now; the next start upgrades them
  std::string kept;  // where the data from before is now; empty if there was none
};

// Puts a copy of `backup` in the place of `path`. The backup is checked first, what was there is
// kept beside it, and the name `path` leads to the old data or the new at every moment. Errors:
// kNotFound, kConflict (`path` is in use), kCorrupt or kInvalidArgument (the backup), kUnavailable.
Result<RestoreReport> restore(const std::string& backup, const std::string& path,
                              std::span<const Migration* const> known = all_migrations());

}  // namespace maru::store
