// exp and what is made of it, branch-free so that a loop over them becomes vector code for
// whatever ISA includes this. Relative error of exp below 2e-7 (Cephes' range reduction with a
// degree-6 polynomial fitted on [-ln2/2, ln2/2]).
#pragma once

#include <cstdint>

#include "kernels/half.h"

namespace maru::kernels {

// exp(0) is exactly 1; below -87.3 the result is 0, above 88.7 it stays at exp(88.7).
static inline float exp_poly(float x) {
  const float clamped = x < -87.3f ? -87.3f : (x > 88.7f ? 88.7f : x);
  // Adding 1.5 * 2^23 rounds to the nearest integer, found in the low bits.
  const float shifted = clamped * 1.44269504f + 12582912.0f;
  const float n = shifted - 12582912.0f;
  const float r = (clamped - n * 0.693359375f) - n * -2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  // n may be 128, one past the largest exponent, so the power of two goes in as two factors.
  const int32_t exponent = static_cast<int32_t>(float_to_bits(shifted) - 0x4b400000u);
  const int32_t half = exponent >> 1;
  const float a = bits_to_float(static_cast<uint32_t>(half + 127) << 23);
  const float b = bits_to_float(static_cast<uint32_t>(exponent - half + 127) << 23);
  const float y = p * a * b;
  return x < -87.3f ? 0.0f : y;
}

static inline float sigmoid(float x) { return 1.0f / (1.0f + exp_poly(-x)); }

static inline float tanh_exp(float x) { return 1.0f - 2.0f / (1.0f + exp_poly(2.0f * x)); }

// Abramowitz and Stegun 7.1.26, absolute error 1.5e-7.
static inline float erf_poly(float x) {
  const float a = x < 0 ? -x : x;
  const float t = 1.0f / (1.0f + 0.3275911f * a);
  float p = 1.061405429f;
  p = p * t - 1.453152027f;
  p = p * t + 1.421413741f;
  p = p * t - 0.284496736f;
  p = p * t + 0.254829592f;
  const float y = 1.0f - p * t * exp_poly(-a * a);
  return x < 0 ? -y : y;
}

}  // namespace maru::kernels
