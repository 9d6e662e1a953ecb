// What tells one build of this program from another.
#pragma once

#include <string>

namespace maru {

// The build id that the linker put into the running program (NT_GNU_BUILD_ID), in hexadecimal.
// Empty where the linker put none.
std::string build_id();

}  // namespace maru
