// The time of day in the unit that the store keeps.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>

namespace maru::service {

inline int64_t unix_milliseconds() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

using Clock = std::function<int64_t()>;

}  // namespace maru::service
