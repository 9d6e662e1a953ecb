// sum_logits.scalar.cpp, sixteen values at once. Include the ISA's vec16 header first.
#pragma once

#include "kernels/exp16.h"
#include "kernels/half.h"
#include "kernels/sum_logits.h"

namespace maru::kernels {
namespace {

constexpr float kMinusInfinity = -__builtin_inff();

// Values from i on; lanes behind the end are smaller than any logit.
inline Vec16 load_logits16(const float* x, size_t i, size_t n) {
  if (i + 16 <= n) return load16(x + i);
  const Vec16 first = load16_first(x + i, n - i);
  return select_lanes16(first, broadcast16(kMinusInfinity), 0, static_cast<int>(n - i));
}

// x * 0 is 0 for finite x and NaN otherwise: sums find a value that is not finite without a branch.
inline bool all_finite(const float* x, size_t n) {
  Vec16 sum = zero16();
  size_t i = 0;
  for (; i + 16 <= n; i += 16) sum = fma16(load16(x + i), zero16(), sum);
  if (i < n) sum = fma16(load16_first(x + i, n - i), zero16(), sum);
  return sum16(sum) == 0.0f;
}

inline LogitBlock sum_block(const float* x, size_t n, float scale) {
  if (!all_finite(x, n)) return {__builtin_nanf(""), 0.0f};
  Vec16 most = broadcast16(kMinusInfinity);
  for (size_t i = 0; i < n; i += 16) most = max16(most, load_logits16(x, i, n));
  const float largest = largest16(most);
  if (scale == 0.0f) return {largest, 0.0f};
  Vec16 sum = zero16();
  for (size_t i = 0; i < n; i += 16) {
    sum = sum + exp16((load_logits16(x, i, n) - broadcast16(largest)) * broadcast16(scale));
  }
  return {largest, sum16(sum)};
}

}  // namespace
}  // namespace maru::kernels
