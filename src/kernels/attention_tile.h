// Scratch of one attention call: a tile of rows, a row being one query head of one token.
#pragma once

#include <cstddef>

#include "kernels/kernel_api.h"

namespace maru::kernels {

constexpr size_t kAttentionRows = 48;  // a multiple of every micro-kernel's rows (6, 4, 3)

// Queries and results [rows, head_dim], probabilities [rows, kKeyTile], running sums [rows, 16],
// running maximum and the last tile's shrinking factor [rows], and a tile of keys or values as
// floats.
static inline size_t attention_tile_floats(size_t head_dim) {
  return kAttentionRows * (2 * head_dim + kKeyTile + 16 + 2) + kKeyTile * head_dim;
}

}  // namespace maru::kernels
