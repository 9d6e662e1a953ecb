// Addresses inside a KV page (kernel_api.h, KvView).
#pragma once

#include "kernels/kernel_api.h"

namespace maru::kernels {

static inline size_t kv_element_bytes(KvType type) {
  return type == KvType::kF32 ? 4 : type == KvType::kF16 ? 2 : 1;
}

// A head's values of a whole page, then its scales, if the type has any.
static inline size_t kv_head_bytes(KvType type, size_t page_tokens, size_t head_dim) {
  const size_t scale = type == KvType::kQ8 ? sizeof(float) : 0;
  return page_tokens * (head_dim * kv_element_bytes(type) + scale);
}

static inline uint8_t* kv_head(const KvView& kv, size_t offset, size_t head, size_t position) {
  return kv.pages[position / kv.page_tokens] + offset +
         head * kv_head_bytes(kv.type, kv.page_tokens, kv.head_dim);
}

// Component 0 of the group of 16 keys that holds `position`; a component's 16 keys lie together.
static inline uint8_t* k_group(const KvView& kv, size_t head, size_t position) {
  const size_t in_page = position % kv.page_tokens / kKvGroup * kKvGroup;
  return kv_head(kv, kv.k_offset, head, position) +
         in_page * kv.head_dim * kv_element_bytes(kv.type);
}

static inline uint8_t* v_row(const KvView& kv, size_t head, size_t position) {
  return kv_head(kv, kv.v_offset, head, position) +
         position % kv.page_tokens * kv.head_dim * kv_element_bytes(kv.type);
}

// The scale of a position's key (offset = kv.k_offset) or value (kv.v_offset); later positions of
// the page follow.
static inline uint8_t* kv_scale(const KvView& kv, size_t offset, size_t head, size_t position) {
  return kv_head(kv, offset, head, position) + kv.page_tokens * kv.head_dim +
         position % kv.page_tokens * sizeof(float);
}

}  // namespace maru::kernels
