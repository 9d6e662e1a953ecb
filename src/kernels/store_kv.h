// Writes the heads of new tokens into their KV pages.
#pragma once

#include "kernels/half.h"
#include "kernels/kernel_api.h"
#include "kernels/kv_page.h"

namespace maru::kernels {
namespace {

struct HalfStore {
  static void put(uint8_t* to, float x) {
    const uint16_t h = f32_to_f16(x);
    __builtin_memcpy(to, &h, sizeof h);
  }
};
struct FloatStore {
  static void put(uint8_t* to, float x) { __builtin_memcpy(to, &x, sizeof x); }
};

template <class Store>
void store_rows(const StoreKvArgs& a) {
  const size_t size = kv_element_bytes(a.kv.type), dim = a.kv.head_dim;
  for (size_t token = a.token_begin; token < a.token_end; ++token) {
    const size_t position = a.first_position + token;
    for (size_t head = 0; head < a.kv.n_kv_heads; ++head) {
      const float* k = a.k + token * a.ld + head * dim;
      const float* v = a.v + token * a.ld + head * dim;
      uint8_t* to_k = k_group(a.kv, head, position) + position % kKvGroup * size;
      uint8_t* to_v = v_row(a.kv, head, position);
      for (size_t i = 0; i < dim; ++i) Store::put(to_k + i * kKvGroup * size, k[i]);
      for (size_t i = 0; i < dim; ++i) Store::put(to_v + i * size, v[i]);
    }
  }
}

// Bytes `step` apart. The scale has a floor, so that it has an inverse; a value that is not finite
// makes the scale so, and with it whatever sees the row.
inline void store_q8(const float* x, size_t n, uint8_t* to, size_t step, uint8_t* to_scale) {
  uint32_t largest = 0;  // of the absolute values; as bits, a NaN is larger than all numbers
  for (size_t i = 0; i < n; ++i) {
    const uint32_t bits = float_to_bits(x[i]) & 0x7fffffffu;
    largest = bits > largest ? bits : largest;
  }
  const float peak = bits_to_float(largest);
  const float scale = peak < 1e-6f ? 1e-6f / 127.0f : peak / 127.0f;
  __builtin_memcpy(to_scale, &scale, sizeof scale);
  const float inverse = 1.0f / scale;
  for (size_t i = 0; i < n; ++i) {
    // Adding 1.5 * 2^23 rounds to the nearest integer, found in the low bits.
    to[i * step] = static_cast<uint8_t>(float_to_bits(x[i] * inverse + 12582912.0f));
  }
}

inline void store_q8_rows(const StoreKvArgs& a) {
  const size_t dim = a.kv.head_dim;
  for (size_t token = a.token_begin; token < a.token_end; ++token) {
    const size_t position = a.first_position + token;
    for (size_t head = 0; head < a.kv.n_kv_heads; ++head) {
      store_q8(a.k + token * a.ld + head * dim, dim,
               k_group(a.kv, head, position) + position % kKvGroup, kKvGroup,
               kv_scale(a.kv, a.kv.k_offset, head, position));
      store_q8(a.v + token * a.ld + head * dim, dim, v_row(a.kv, head, position), 1,
               kv_scale(a.kv, a.kv.v_offset, head, position));
    }
  }
}

void store_kv(const StoreKvArgs& a) {
  switch (a.kv.type) {
    case KvType::kF32: return store_rows<FloatStore>(a);
    case KvType::kF16: return store_rows<HalfStore>(a);
    case KvType::kQ8: return store_q8_rows(a);
  }
}

}  // namespace
}  // namespace maru::kernels
