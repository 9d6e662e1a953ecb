// The error that a failed system call on a file leaves in errno.
#pragma once

#include <string>

#include "base/result.h"

namespace maru {

// "cannot <verb> '<path>': <reason>". Call it before errno changes.
Error io_error(const char* verb, const std::string& path);

}  // namespace maru
