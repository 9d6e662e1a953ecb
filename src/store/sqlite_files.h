// Whole SQLite files: making one, copying one while others write, checking one.
#pragma once

#include <set>
#include <span>
#include <string>

#include "base/result.h"
#include "store/migrations.h"
#include "store/sqlite_connection.h"

namespace maru::store {

// Makes an empty file for its owner alone, and its folder, if they are missing; takes others'
// rights to the file away if it is there. Errors: kInvalidArgument, kUnavailable.
Status make_private_file(const std::string& path);

// Makes the folder that is to hold `path`, for its owner alone, if it is missing.
Status make_private_folder_of(const std::string& path);

// Removes the file and its companions ("-wal"...), as far as they are there.
void remove_database(const std::string& path);

// A name beside `path` for a copy of now: "<path>.<what>-20260131T120000.123Z".
std::string dated_name(const std::string& path, const std::string& what);

// Syncs the folder that holds `path`: its new name survives a crash.
Status sync_folder_of(const std::string& path);

// Copies what is committed in `source` to `path`, which appears when it is complete, on the disk
// and checked. Errors: kConflict if `path` exists, kUnavailable, kCorrupt.
Status copy_database(SqliteConnection& source, const std::string& path);

// The versions that were applied to a Maru database; none if it is empty. Errors: kInvalidArgument
// if it is another program's, or has versions that `known` lacks.
Result<std::set<int>> recognise_database(SqliteConnection& connection,
                                         std::span<const Migration* const> known,
                                         const std::string& path);

// Structure (every page, every index) and foreign keys. kCorrupt says what was found first.
Status check_database(SqliteConnection& connection, const std::string& path);

}  // namespace maru::store
