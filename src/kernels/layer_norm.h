// kernel_api.h: LayerNormArgs. The same source for every ISA.
#pragma once

#include "kernels/kernel_api.h"
#include "kernels/lane_sum.h"

namespace maru::kernels {
namespace {

void layer_norm(const LayerNormArgs& a) {
  const float share = 1.0f / static_cast<float>(a.n);
  for (size_t row = a.row_begin; row < a.row_end; ++row) {
    const float* x = a.x + row * a.ld;
    float* out = a.out + row * a.ld;
    if (a.residual != nullptr) {
      const float* residual = a.residual + row * a.ld;
      for (size_t i = 0; i < a.n; ++i) out[i] = x[i] + residual[i];
      x = out;
    }
    const float mean = lane_sum(a.n, [x](size_t i) { return x[i]; }) * share;
    const float variance =
        lane_sum(a.n, [x, mean](size_t i) { return (x[i] - mean) * (x[i] - mean); }) * share;
    const float factor = 1.0f / __builtin_sqrtf(variance + a.eps);
    for (size_t i = 0; i < a.n; ++i) out[i] = (x[i] - mean) * factor * a.weight[i] + a.bias[i];
  }
}

}  // namespace
}  // namespace maru::kernels
