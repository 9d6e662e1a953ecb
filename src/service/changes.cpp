#include "service/changes.h"

#include <vector>

namespace maru::service {

std::shared_ptr<void> Changes::listen(const std::string& owner, Listener listener) {
  auto kept = std::make_shared<const Listener>(std::move(listener));
  const std::lock_guard lock(shared_->mutex);
  const auto at = shared_->listeners.emplace(owner, std::move(kept));
  return std::shared_ptr<void>(nullptr, [shared = shared_, at](void*) {
    const std::lock_guard inner(shared->mutex);
    shared->listeners.erase(at);
  });
}

void Changes::announce(const std::string& owner, const Change& change) const {
  std::vector<std::shared_ptr<const Listener>> called;
  {
    const std::lock_guard lock(shared_->mutex);
    const auto [begin, end] = shared_->listeners.equal_range(owner);
    for (auto it = begin; it != end; ++it) called.push_back(it->second);
  }
  for (const auto& listener : called) (*listener)(change);
}

}  // namespace maru::service
