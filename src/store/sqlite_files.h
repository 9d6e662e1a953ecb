// Whole SQLite files: making one, copying one while others write, checking one.
#pragma once

#include <string>

#include "base/result.h"
#include "store/sqlite_connection.h"

namespace maru::store {

// Makes an empty file for its owner alone, and its folder, if they are missing; takes others'
// rights to the file away if it is there. Errors: kInvalidArgument, kUnavailable.
Status make_private_file(const std::string& path);

// Syncs the folder that holds `path`: its new name survives a crash.
Status sync_folder_of(const std::string& path);

// Copies what is committed in `source` to `path`, which appears when it is complete, on the disk
// and checked. Errors: kConflict if `path` exists, kUnavailable, kCorrupt.
Status copy_database(SqliteConnection& source, const std::string& path);

// Structure (every page, every index) and foreign keys. kCorrupt says what was found first.
Status check_database(SqliteConnection& connection, const std::string& path);

}  // namespace maru::store
