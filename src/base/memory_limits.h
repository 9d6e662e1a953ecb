// How much memory this process may use: the machine's and every enclosing cgroup's limit (v1, v2).
#pragma once

#include <cstdint>
#include <string>

namespace maru {

struct MemoryLimits {
  uint64_t total_bytes = 0;      // the smaller of machine memory and cgroup limit
  uint64_t available_bytes = 0;  // what can still be taken without an OOM kill
  std::string source;            // "machine" or the cgroup file that decided
  uint64_t room_bytes = 0;       // available_bytes, had this process given back all that it holds
};

// Reads /proc/meminfo and /sys/fs/cgroup below `root` ("" for the real ones; tests pass a folder).
MemoryLimits read_memory_limits(const std::string& root = "");

// The limits where `bytes` of what this process holds are never given back.
MemoryLimits set_aside(MemoryLimits limits, uint64_t bytes);

// What of this process lies in memory now, mapped files included (proc(5), VmRSS); 0: not known.
uint64_t read_resident_bytes(const std::string& root = "");

}  // namespace maru
