// Where quantised activations lie (kernel_api.h, QuantiseArgs). Rows stand in groups of
// kActRowGroup, the last group being as wide as its rows. In a group of w rows:
//   quants [k / 4, w, 4] int8, so that the four values a dot product takes are one broadcast load
//   scales [k / 32, w] float, half_sums [k / 32, w, 2] int16, sums [k / 32, w] float: scale * sum
// Value = scale * quant, |quant| <= 127, rounded to nearest even.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/kernel_api.h"

namespace maru::kernels {

template <class Byte>
struct ActivationGroup {
  Byte* quants;
  Byte* scales;
  Byte* half_sums;
  Byte* sums;
  size_t width;
};

static inline size_t round_up_64(size_t n) { return (n + 63) / 64 * 64; }

static inline size_t activation_bytes(size_t n_rows, size_t k) {
  return round_up_64(n_rows * k) + 3 * round_up_64(n_rows * (k / kActBlock) * 4);
}

// `row` is a multiple of kActRowGroup. Byte: uint8_t or const uint8_t.
template <class Byte>
static inline ActivationGroup<Byte> activation_group(Byte* base, size_t n_rows, size_t k,
                                                     size_t row) {
  const size_t n_blocks = k / kActBlock;
  const size_t plane = round_up_64(n_rows * n_blocks * 4);
  Byte* scales = base + round_up_64(n_rows * k);
  const size_t offset = row * n_blocks * 4;
  const size_t rest = n_rows - row;
  return {base + row * k, scales + offset, scales + plane + offset, scales + 2 * plane + offset,
          rest < kActRowGroup ? rest : kActRowGroup};
}

}  // namespace maru::kernels
