// Name and version of the program.
#pragma once

#include <string>

namespace maru::apps {

// "maru 0.1.0"
std::string version_line();

}  // namespace maru::apps
