// Addresses inside a KV page (kernel_api.h, KvView).
#pragma once

#include "kernels/kernel_api.h"

namespace maru::kernels {

static inline size_t kv_element_bytes(KvType type) { return type == KvType::kF16 ? 2 : 4; }

// Component 0 of the group of 16 keys that holds `position`; a component's 16 keys lie together.
static inline uint8_t* k_group(const KvView& kv, size_t head, size_t position) {
  const size_t in_page = position % kv.page_tokens / kKvGroup * kKvGroup;
  return kv.pages[position / kv.page_tokens] + kv.k_offset +
         (head * kv.page_tokens + in_page) * kv.head_dim * kv_element_bytes(kv.type);
}

static inline uint8_t* v_row(const KvView& kv, size_t head, size_t position) {
  return kv.pages[position / kv.page_tokens] + kv.v_offset +
         (head * kv.page_tokens + position % kv.page_tokens) * kv.head_dim *
             kv_element_bytes(kv.type);
}

}  // namespace maru::kernels
