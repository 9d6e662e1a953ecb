#include "service/login_limiter.h"

#include <algorithm>

namespace maru::service {
namespace {

// An owner of an IPv6 network has 2^64 addresses.
std::string address_key(const std::string& address) {
  constexpr int kGroups = 4;
  size_t end = 0;
  if (address.find(':') == std::string::npos || address.starts_with("::ffff:")) {
    return "address " + address;
  }
  for (int i = 0; i < kGroups && end != std::string::npos; ++i) {
    end = address.find(':', i == 0 ? 0 : end + 1);
  }
  return "address " + address.substr(0, end);
}

}  // namespace

std::deque<int64_t>* LoginLimiter::recent(const std::string& key, int64_t now) {
  const auto found = failures_.find(key);
  if (found == failures_.end()) return nullptr;
  std::deque<int64_t>& times = found->second;
  while (!times.empty() && times.front() <= now - limits_.window_ms) times.pop_front();
  if (!times.empty()) return &times;
  failures_.erase(found);
  return nullptr;
}

int64_t LoginLimiter::seconds_to_wait(const std::string& name, const std::string& address,
                                      int64_t now) {
  const std::lock_guard lock(mutex_);
  int64_t wait = 0;
  const auto look = [&](const std::string& key, size_t most) {
    const std::deque<int64_t>* times = recent(key, now);
    if (times == nullptr || times->size() < most) return;
    const int64_t free_at = (*times)[times->size() - most] + limits_.window_ms;
    wait = std::max(wait, (free_at - now + 999) / 1000);
  };
  look("name " + name, limits_.per_name);
  look(address_key(address), limits_.per_address);
  return wait;
}

void LoginLimiter::add(const std::string& key, int64_t now) {
  recent(key, now);
  if (failures_.size() >= limits_.max_entries && !failures_.contains(key)) {
    failures_.erase(std::min_element(
        failures_.begin(), failures_.end(),
        [](const auto& a, const auto& b) { return a.second.back() < b.second.back(); }));
  }
  failures_[key].push_back(now);
}

void LoginLimiter::note_failure(const std::string& name, const std::string& address, int64_t now) {
  const std::lock_guard lock(mutex_);
  add("name " + name, now);
  add(address_key(address), now);
}

void LoginLimiter::note_success(const std::string& name) {
  const std::lock_guard lock(mutex_);
  failures_.erase("name " + name);
}

}  // namespace maru::service
