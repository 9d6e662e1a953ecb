// Sums over a row by sixteen partial sums, whatever the ISA: the order of the additions is fixed,
// so all ISAs agree to the bit.
#pragma once

#include <cstddef>

namespace maru::kernels {
namespace {

// The sum of term(i) for i in [0, n).
template <class Term>
inline float lane_sum(size_t n, const Term& term) {
  float lanes[16] = {};
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    for (size_t j = 0; j < 16; ++j) lanes[j] += term(i + j);
  }
  for (size_t j = 0; i + j < n; ++j) lanes[j] += term(i + j);
  for (size_t width = 8; width > 0; width /= 2) {
    for (size_t j = 0; j < width; ++j) lanes[j] += lanes[j + width];
  }
  return lanes[0];
}

}  // namespace
}  // namespace maru::kernels
