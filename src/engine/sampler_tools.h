// What several sampling steps share.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "engine/sampler.h"

namespace maru::engine {

// A logit by temperature. Shifted first, so that the largest becomes 0 (softmax does not change): a
// tiny temperature then sends the others towards minus infinity and none above.
inline float tempered(float logit, float largest, float temperature) {
  return (logit - largest) / temperature;
}

inline float max_logit(const std::vector<Candidate>& candidates) {
  float max = candidates.front().logit;
  for (const Candidate& c : candidates) max = std::max(max, c.logit);
  return max;
}

// Of softmax(candidates): log of the sum of exp(logit - max).
inline double log_sum_exp(const std::vector<Candidate>& candidates, float max) {
  double sum = 0.0;
  for (const Candidate& c : candidates) sum += std::exp(static_cast<double>(c.logit - max));
  return std::log(sum);
}

// Keeps the shortest beginning, in the order of `less`, whose probabilities (given by
// `probability`) reach `mass`; at least one. Sorts no more than it must: few tokens hold most of
// the mass, so the sorted part grows by a factor of eight until it is enough.
template <class Less, class Probability>
void keep_mass(std::vector<Candidate>& candidates, double mass, const Less& less,
               const Probability& probability) {
  double reached = 0.0;
  size_t n_sorted = 0;
  for (size_t end = 64; n_sorted < candidates.size(); end *= 8) {
    end = std::min(end, candidates.size());
    const auto first = candidates.begin() + static_cast<std::ptrdiff_t>(n_sorted);
    const auto last = candidates.begin() + static_cast<std::ptrdiff_t>(end);
    if (last != candidates.end()) std::nth_element(first, last, candidates.end(), less);
    std::sort(first, last, less);
    for (; n_sorted < end; ++n_sorted) {
      reached += probability(candidates[n_sorted]);
      if (reached >= mass) {
        candidates.resize(n_sorted + 1);
        return;
      }
    }
  }
}

}  // namespace maru::engine
