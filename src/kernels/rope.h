// Rotary position embedding (Su et al. 2021), in place, with the angles' cosines and sines given.
#pragma once

#include "kernels/kernel_api.h"

namespace maru::kernels {
namespace {

void turn_halves(float* x, const float* cosines, const float* sines, size_t half) {
  for (size_t i = 0; i < half; ++i) {
    const float a = x[i], b = x[i + half];
    x[i] = a * cosines[i] - b * sines[i];
    x[i + half] = a * sines[i] + b * cosines[i];
  }
}

void turn_pairs(float* x, const float* cosines, const float* sines, size_t half) {
  for (size_t i = 0; i < half; ++i) {
    const float a = x[2 * i], b = x[2 * i + 1];
    x[2 * i] = a * cosines[i] - b * sines[i];
    x[2 * i + 1] = a * sines[i] + b * cosines[i];
  }
}

void rope(const RopeArgs& a) {
  const size_t half = a.n_rot / 2;
  for (size_t token = a.token_begin; token < a.token_end; ++token) {
    const float* cosines = a.cos_sin + token * a.n_rot;
    for (size_t head = 0; head < a.n_heads; ++head) {
      float* x = a.x + token * a.ld_x + head * a.head_dim;
      if (a.interleaved) {
        turn_pairs(x, cosines, cosines + half, half);
      } else {
        turn_halves(x, cosines, cosines + half, half);
      }
    }
  }
}

}  // namespace
}  // namespace maru::kernels
