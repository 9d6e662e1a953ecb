// Scratch of one attention call: a tile of rows, a row being one query head of one token.
#pragma once

#include <cstddef>

#include "kernels/kernel_api.h"

namespace maru::kernels {

constexpr size_t kAttentionRows = 48;  // a multiple of every micro-kernel's rows (6, 4, 3)

// Queries and results [rows, head_dim], probabilities [rows, kKeyTile], then per row the running
// maximum, the running sum and the factor by which the last tile shrank what was there.
static inline size_t attention_tile_floats(size_t head_dim) {
  return kAttentionRows * (2 * head_dim + kKeyTile + 3);
}

}  // namespace maru::kernels
