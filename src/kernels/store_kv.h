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

void store_kv(const StoreKvArgs& a) {
  if (a.kv.type == KvType::kF16) {
    store_rows<HalfStore>(a);
  } else {
    store_rows<FloatStore>(a);
  }
}

}  // namespace
}  // namespace maru::kernels
