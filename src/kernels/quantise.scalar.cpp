// Float rows to int8 blocks (kernels/activations.h): the reference of the vector versions, which
// give the same bits.
#include "kernels/half.h"
#include "kernels/quantise_rows.h"

namespace maru::kernels {
namespace {

// To the nearest integer, ties to even, for |x| < 2^22.
int round_even(float x) { return static_cast<int>(float_to_bits(x + 12582912.0f) - 0x4b400000u); }

void quantise_block(const float* x, const ActivationGroup<uint8_t>& to, size_t b, size_t t) {
  float largest = 0;
  for (size_t i = 0; i < kActBlock; ++i) {
    const float magnitude = x[i] < 0 ? -x[i] : x[i];
    largest = magnitude > largest ? magnitude : largest;
  }
  const auto [scale, inverse] = scale_of(largest);
  int16_t half_sums[2] = {};
  for (size_t i = 0; i < kActBlock; ++i) {
    const int8_t q = static_cast<int8_t>(round_even(x[i] * inverse));
    half_sums[i / 16] = static_cast<int16_t>(half_sums[i / 16] + q);
    put(to.quants + ((b * 8 + i / 4) * to.width + t) * 4 + i % 4, q);
  }
  put_sums(to, b, t, scale, half_sums[0], half_sums[1]);
}

}  // namespace

extern const Kernel kernel_quantise_scalar;
constinit const Kernel kernel_quantise_scalar = {
    Op::kQuantise, Isa::kScalar, nullptr, {.quantise = quantise_rows<quantise_block>}};

}  // namespace maru::kernels
