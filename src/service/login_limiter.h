// How often a login may fail: for one name, and from one address (of IPv6 the first 64 bits). What
// was tried too often waits until the oldest failure is forgotten. Thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <string>

namespace maru::service {

struct LoginLimits {
  size_t per_name = 10, per_address = 30;
  int64_t window_ms = 300'000;
  size_t max_entries = 20'000;  // remembered at once; the longest silent one makes room
};

class LoginLimiter {
 public:
  explicit LoginLimiter(LoginLimits limits = {}) : limits_(limits) {}

  // 0: may be tried now.
  int64_t seconds_to_wait(const std::string& name, const std::string& address, int64_t now);
  void note_failure(const std::string& name, const std::string& address, int64_t now);
  // Forgets the failures of the name, not those of the address: its owner may know one password.
  void note_success(const std::string& name);

 private:
  std::deque<int64_t>* recent(const std::string& key, int64_t now);
  void add(const std::string& key, int64_t now);

  const LoginLimits limits_;
  std::mutex mutex_;
  std::map<std::string, std::deque<int64_t>> failures_;  // times, ascending
};

}  // namespace maru::service
