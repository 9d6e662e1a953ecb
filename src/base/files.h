// Small files: whole reads with a size limit, writes that are never half done, and the data folder.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"

namespace maru {

// Reads the whole file. Errors: kNotFound, kInvalidArgument, kTooLarge.
Result<std::string> read_file(const std::string& path, size_t max_bytes);

// Writes to a temporary name beside `path`, syncs, and renames: readers see the old or the new
// content, also after a crash. Errors: kInvalidArgument, kUnavailable (disk full).
Status write_file_atomically(const std::string& path, std::string_view content);

// $MARU_HOME, else $XDG_DATA_HOME/maru, else ~/.local/share/maru. Not created here.
std::string data_folder();

}  // namespace maru
