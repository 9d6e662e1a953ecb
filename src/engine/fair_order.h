// Whose turn it is: tokens computed for each caller, the least served first (virtual token counter:
// Sheng et al., "Fairness in serving large language models", 2024). A caller who was away comes
// back level with the least served one present: idling earns no credit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>

namespace maru::engine {

// Not thread-safe.
class FairOrder {
 public:
  void enter(const std::string& caller);  // a request begins
  void leave(const std::string& caller);  // a request ends
  void charge(const std::string& caller, uint64_t n_tokens);
  uint64_t served(const std::string& caller) const;
  size_t n_callers() const { return callers_.size(); }

 private:
  struct Caller {
    uint64_t served = 0;
    size_t n_requests = 0;
  };
  uint64_t least_served_present() const;
  void forget_settled();

  std::unordered_map<std::string, Caller> callers_;  // present, or away with more than their share
  size_t n_present_ = 0;
};

}  // namespace maru::engine
