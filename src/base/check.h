// Checks against mistakes of the programmer. They print place and values and abort; they never
// guard against input (that is Result's job, base/result.h).
#pragma once

namespace maru {

// Prints "file:line: check failed: text" to standard error and aborts.
[[noreturn]] void check_failed(const char* text, const char* file, int line);

}  // namespace maru

#define MARU_CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::maru::check_failed(#condition, __FILE__, __LINE__))

// For hot loops: compiled out of release builds.
#ifdef NDEBUG
#define MARU_DCHECK(condition) static_cast<void>(sizeof(!(condition)))
#else
#define MARU_DCHECK(condition) MARU_CHECK(condition)
#endif
