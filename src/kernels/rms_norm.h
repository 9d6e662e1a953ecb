// y = x / sqrt(mean(x^2) + eps) * weight, by rows (Zhang and Sennrich 2019). The same source for
// every ISA: sixteen partial sums fix the order of the additions, so all ISAs agree to the bit.
#pragma once

#include "kernels/kernel_api.h"

namespace maru::kernels {
namespace {

float sum_of_squares(const float* x, size_t n) {
  float lanes[16] = {};
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    for (size_t j = 0; j < 16; ++j) lanes[j] += x[i + j] * x[i + j];
  }
  for (size_t j = 0; i + j < n; ++j) lanes[j] += x[i + j] * x[i + j];
  for (size_t width = 8; width > 0; width /= 2) {
    for (size_t j = 0; j < width; ++j) lanes[j] += lanes[j + width];
  }
  return lanes[0];
}

void rms_norm(const RmsNormArgs& a) {
  for (size_t row = a.row_begin; row < a.row_end; ++row) {
    const float* x = a.x + row * a.ld_x;
    float* out = a.out + row * a.ld_out;
    const float mean = sum_of_squares(x, a.n) / static_cast<float>(a.n);
    const float factor = 1.0f / __builtin_sqrtf(mean + a.eps);
    if (a.weight != nullptr) {
      for (size_t i = 0; i < a.n; ++i) out[i] = x[i] * factor * a.weight[i];
    } else {
      for (size_t i = 0; i < a.n; ++i) out[i] = x[i] * factor;
    }
  }
}

}  // namespace
}  // namespace maru::kernels
