// Quantisation to the formats with 32 values a block, as the GGUF reference rounds.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/half.h"

namespace maru::tensor {

struct QuantisedBlock {
  uint16_t d, m;  // f16
  uint8_t q[32];  // 0 .. 2^bits - 1
};

// Symmetric: the value of largest magnitude maps to the lowest code, zero to 2^(bits - 1).
inline QuantisedBlock quantise_symmetric(const float* x, int bits) {
  const int zero = 1 << (bits - 1);
  const float peak =
      *std::max_element(x, x + 32, [](float a, float b) { return std::fabs(a) < std::fabs(b); });
  const float d = peak / static_cast<float>(-zero);
  const float inverse = d != 0 ? 1.0f / d : 0.0f;
  QuantisedBlock block{kernels::f32_to_f16(d), 0, {}};
  for (size_t i = 0; i < 32; ++i) {
    const float q = std::trunc(x[i] * inverse + static_cast<float>(zero) + 0.5f);
    block.q[i] = static_cast<uint8_t>(std::clamp(q, 0.0f, static_cast<float>(2 * zero - 1)));
  }
  return block;
}

// Affine: smallest value to 0, largest to 2^bits - 1.
inline QuantisedBlock quantise_affine(const float* x, int bits) {
  const auto [low, high] = std::minmax_element(x, x + 32);
  const float top = static_cast<float>((1 << bits) - 1);
  const float d = (*high - *low) / top;
  const float inverse = d != 0 ? 1.0f / d : 0.0f;
  QuantisedBlock block{kernels::f32_to_f16(d), kernels::f32_to_f16(*low), {}};
  for (size_t i = 0; i < 32; ++i) {
    const float q = std::trunc((x[i] - *low) * inverse + 0.5f);
    block.q[i] = static_cast<uint8_t>(std::clamp(q, 0.0f, top));
  }
  return block;
}

// Low nibbles: values 0..15 in the low, 16..31 in the high half of 16 bytes.
inline void write_nibbles(const uint8_t* q, uint8_t* out) {
  for (size_t i = 0; i < 16; ++i)
    out[i] = static_cast<uint8_t>((q[i] & 15) | (q[i + 16] & 15) << 4);
}
inline void read_nibbles(const uint8_t* in, uint8_t* q) {
  for (size_t i = 0; i < 16; ++i) {
    q[i] = in[i] & 15;
    q[i + 16] = in[i] >> 4;
  }
}

// Fifth bits: bit i of a 32-bit word belongs to value i.
inline void write_fifth_bits(const uint8_t* q, uint8_t* out) {
  uint32_t bits = 0;
  for (size_t i = 0; i < 32; ++i) bits |= static_cast<uint32_t>(q[i] >> 4 & 1) << i;
  std::memcpy(out, &bits, 4);
}
inline void read_fifth_bits(const uint8_t* in, uint8_t* q) {
  uint32_t bits;
  std::memcpy(&bits, in, 4);
  for (size_t i = 0; i < 32; ++i) q[i] = static_cast<uint8_t>(q[i] | (bits >> i & 1) << 4);
}

}  // namespace maru::tensor
