// What all forms of quantisation share: the scale of a block, and where its parts go
// (kernels/activations.h). In an unnamed namespace, because ISA objects include it.
#pragma once

#include "kernels/activations.h"
#include "kernels/kernel_api.h"

namespace maru::kernels {
namespace {

struct BlockScale {
  float scale, inverse;
};

// Below 1e-30 the reciprocal would near infinity; such a block counts as zero.
inline BlockScale scale_of(float largest) {
  if (largest < 1e-30f) return {0.0f, 0.0f};
  return {largest / 127.0f, 127.0f / largest};
}

template <class T>
inline void put(uint8_t* to, T x) {
  __builtin_memcpy(to, &x, sizeof x);
}

// A block's 32 bytes, four of them a dword.
inline void put_quants(const ActivationGroup<uint8_t>& to, size_t b, size_t t,
                       const uint32_t (&dwords)[8]) {
  uint8_t* quants = to.quants + (b * 8 * to.width + t) * 4;
  for (size_t i = 0; i < 8; ++i) put(quants + i * to.width * 4, dwords[i]);
}

inline void put_sums(const ActivationGroup<uint8_t>& to, size_t b, size_t t, float scale,
                     int sum_low, int sum_high) {
  const size_t at = (b * to.width + t) * 4;
  put(to.scales + at, scale);
  put(to.half_sums + at, static_cast<int16_t>(sum_low));
  put(to.half_sums + at + 2, static_cast<int16_t>(sum_high));
  put(to.sums + at, scale * static_cast<float>(sum_low + sum_high));
}

// What is left of block b of token t when it is read back. Doubles hold product and difference
// exactly, so that there is one rounding and the same bits on every ISA.
inline void read_rest(const float* x, const ActivationGroup<uint8_t>& to, size_t b, size_t t,
                      float (&rest)[kActBlock]) {
  float scale;
  __builtin_memcpy(&scale, to.scales + (b * to.width + t) * 4, sizeof scale);
  int8_t quants[kActBlock];
  for (size_t i = 0; i < kActBlock / 4; ++i) {
    __builtin_memcpy(quants + i * 4, to.quants + ((b * 8 + i) * to.width + t) * 4, 4);
  }
  for (size_t i = 0; i < kActBlock; ++i) {
    rest[i] = static_cast<float>(static_cast<double>(x[i]) -
                                 static_cast<double>(scale) * static_cast<double>(quants[i]));
  }
}

// quantise_block(x, to, b, t): block b of token t of the group. Two planes of a row stand side by
// side in a group, whose width is even then.
template <void (*quantise_block)(const float*, const ActivationGroup<uint8_t>&, size_t, size_t)>
void quantise_rows(const QuantiseArgs& a) {
  static_assert(kActRowGroup % 2 == 0);
  const size_t n_rows = a.n_rows * a.planes, end = a.row_end * a.planes;
  for (size_t first = a.row_begin * a.planes; first < end; first += kActRowGroup) {
    const auto to = activation_group(static_cast<uint8_t*>(a.out), n_rows, a.k, first);
    for (size_t t = 0; t < to.width; t += a.planes) {
      const float* x = a.x + (first + t) / a.planes * a.ld_x;
      for (size_t b = 0; b < a.k / kActBlock; ++b, x += kActBlock) {
        quantise_block(x, to, b, t);
        if (a.planes == 1) continue;
        float rest[kActBlock];
        read_rest(x, to, b, t, rest);
        quantise_block(rest, to, b, t + 1);
      }
    }
  }
}

}  // namespace
}  // namespace maru::kernels
