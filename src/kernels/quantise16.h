// Rows as 16-bit integers (kernel_api.h: Quantise16Args). The same source for every ISA.
#pragma once

#include "kernels/half.h"
#include "kernels/kernel_api.h"
#include "kernels/lane_sum.h"

namespace maru::kernels {
namespace {

void quantise16(const Quantise16Args& a) {
  for (size_t row = a.row_begin; row < a.row_end; ++row) {
    const float* x = a.x + row * a.ld_x;
    int16_t* out = a.out + row * a.ld_out;
    const float norm = __builtin_sqrtf(lane_sum(a.k, [x](size_t i) { return x[i] * x[i]; }));
    // Below the floor all is zero; a norm that is not finite gives a step that is not.
    const float times = norm > 1e-15f && norm < 1e30f ? kNorm16 / norm : 0.0f;
    a.steps[row] = norm * (1.0f / kNorm16);
    // Adding 1.5 * 2^23 rounds to the nearest integer, found in the low bits.
    for (size_t i = 0; i < a.k; ++i) {
      out[i] = static_cast<int16_t>(float_to_bits(x[i] * times + 12582912.0f));
    }
    for (size_t i = a.k; i < a.ld_out; ++i) out[i] = 0;
  }
}

}  // namespace
}  // namespace maru::kernels
