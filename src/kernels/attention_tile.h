// Scratch of one attention call: a tile of rows, a row being one query head of one token.
#pragma once

#include <cstddef>

#include "kernels/kernel_api.h"

namespace maru::kernels {

static inline size_t padded_head(size_t head_dim) { return (head_dim + 15) / 16 * 16; }

// The last position that a token of the call sees.
static inline size_t last_seen(const AttentionArgs& a, size_t token) {
  return a.n_keys > 0 ? a.n_keys - 1 : a.first_position + token;
}

// Enough rows to share the work of loading a tile of keys, few enough to stay in the second cache.
// A multiple of every micro-kernel's rows (6, 4, 3).
static inline size_t attention_rows(size_t head_dim) { return head_dim <= 64 ? 192 : 96; }

// What is known of a row after some keys: the weighted sum of values [padded head], the sum of
// weights as 16 partial sums, and the exponent that both are relative to (16, of which the first).
static inline size_t attention_state_floats(size_t head_dim) { return padded_head(head_dim) + 32; }

// Queries [rows, padded head], two states a row, probabilities [rows, 32], a few numbers a row, and
// a tile of keys and one of values.
static inline size_t attention_tile_floats(size_t head_dim) {
  return attention_rows(head_dim) *
             (padded_head(head_dim) + 2 * attention_state_floats(head_dim) + 32 + 4) +
         kKeyTile * (padded_head(head_dim) + 32);
}

}  // namespace maru::kernels
