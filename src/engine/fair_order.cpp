#include "engine/fair_order.h"

#include <algorithm>

#include "base/check.h"

namespace maru::engine {

void FairOrder::enter(const std::string& caller) {
  const uint64_t least = least_served_present();
  Caller& entry = callers_[caller];
  if (entry.n_requests++ > 0) return;
  entry.served = std::max(entry.served, least);
  ++n_present_;
}

void FairOrder::leave(const std::string& caller) {
  Caller& entry = callers_.at(caller);
  MARU_CHECK(entry.n_requests > 0);
  if (--entry.n_requests > 0) return;
  --n_present_;
  forget_settled();
}

void FairOrder::charge(const std::string& caller, uint64_t n_tokens) {
  callers_.at(caller).served += n_tokens;
}

uint64_t FairOrder::served(const std::string& caller) const { return callers_.at(caller).served; }

uint64_t FairOrder::least_served_present() const {
  uint64_t least = UINT64_MAX;
  for (const auto& [name, entry] : callers_) {
    if (entry.n_requests > 0) least = std::min(least, entry.served);
  }
  return least == UINT64_MAX ? 0 : least;
}

// An entry of someone away matters only while it stands above those present.
void FairOrder::forget_settled() {
  if (n_present_ == 0) {
    callers_.clear();
    return;
  }
  const uint64_t least = least_served_present();
  std::erase_if(callers_, [&](const auto& item) {
    return item.second.n_requests == 0 && item.second.served <= least;
  });
}

}  // namespace maru::engine
