// Float rows to int8 blocks (kernels/activations.h): the reference of the vector versions, which
// give the same bits.
#include "kernels/activations.h"
#include "kernels/half.h"
#include "kernels/kernel_api.h"

namespace maru::kernels {
namespace {

template <class T>
void put(uint8_t* to, T x) {
  __builtin_memcpy(to, &x, sizeof x);
}

// To the nearest integer, ties to even, for |x| < 2^22.
int round_even(float x) { return static_cast<int>(float_to_bits(x + 12582912.0f) - 0x4b400000u); }

void quantise_block(const float* x, const ActivationGroup<uint8_t>& to, size_t b, size_t t) {
  float largest = 0;
  for (size_t i = 0; i < kActBlock; ++i) {
    const float magnitude = x[i] < 0 ? -x[i] : x[i];
    largest = magnitude > largest ? magnitude : largest;
  }
  // Below 1e-30 the reciprocal would near infinity; such a block counts as zero.
  const bool is_zero = largest < 1e-30f;
  const float scale = is_zero ? 0.0f : largest / 127.0f;
  const float inverse = is_zero ? 0.0f : 127.0f / largest;
  int16_t half_sums[2] = {};
  for (size_t i = 0; i < kActBlock; ++i) {
    const int8_t q = static_cast<int8_t>(round_even(x[i] * inverse));
    half_sums[i / 16] = static_cast<int16_t>(half_sums[i / 16] + q);
    put(to.quants + ((b * 8 + i / 4) * to.width + t) * 4 + i % 4, q);
  }
  const size_t at = (b * to.width + t) * 4;
  put(to.scales + at, scale);
  put(to.half_sums + at, half_sums[0]);
  put(to.half_sums + at + 2, half_sums[1]);
  put(to.sums + at, scale * static_cast<float>(half_sums[0] + half_sums[1]));
}

void quantise(const QuantiseArgs& a) {
  for (size_t first = a.row_begin; first < a.row_end; first += kActRowGroup) {
    const auto to = activation_group(static_cast<uint8_t*>(a.out), a.n_rows, a.k, first);
    for (size_t t = 0; t < to.width; ++t) {
      const float* x = a.x + (first + t) * a.ld_x;
      for (size_t b = 0; b < a.k / kActBlock; ++b) quantise_block(x + b * kActBlock, to, b, t);
    }
  }
}

}  // namespace

extern const Kernel kernel_quantise_scalar;
constinit const Kernel kernel_quantise_scalar = {
    Op::kQuantise, Isa::kScalar, nullptr, {.quantise = quantise}};

}  // namespace maru::kernels
