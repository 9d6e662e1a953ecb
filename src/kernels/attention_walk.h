// What all forms of attention share: tiles of rows, the parts of the keys, and joining them.
// Include the ISA's vec16 header first.
#pragma once

#include "kernels/attention_state.h"

namespace maru::kernels {
namespace {

// Positions that some row of the tile sees.
struct KeyRange {
  size_t begin, end;
};

inline KeyRange seen_keys(const AttentionArgs& a, const RowTile& tile) {
  const size_t first = last_seen(a, tile.token(0));
  const size_t last = last_seen(a, tile.token(tile.n_rows - 1));
  return {a.window > 0 && first + 1 > a.window ? first + 1 - a.window : 0, last + 1};
}

// One part of the keys, into tile.states.
template <class Walk, KvType kType>
void attend_part(const AttentionArgs& a, const typename Walk::Tile& tile, const KeyRange& seen,
                 size_t part) {
  const size_t from = part * kAttentionPart, to = from + kAttentionPart;
  for (size_t row = 0; row < tile.n_rows; ++row) start_state(tile.state(row));
  const size_t begin = seen.begin > from ? seen.begin : from;
  const size_t end = seen.end < to ? seen.end : to;
  if (begin < end) Walk::template walk<kType>(a, tile, begin, end);
}

// All parts of a tile of rows. `whole` holds a state a row.
template <class Walk, KvType kType>
void attend_whole(const AttentionArgs& a, const typename Walk::Tile& tile, float* whole) {
  const KeyRange seen = seen_keys(a, tile);
  RowTile sum = tile;
  sum.states = whole;
  for (size_t row = 0; row < tile.n_rows; ++row) {
    start_whole(sum.state(row), a.sinks == nullptr ? nullptr : a.sinks + tile.head(row));
  }
  for (size_t part = seen.begin / kAttentionPart; part * kAttentionPart < seen.end; ++part) {
    attend_part<Walk, kType>(a, tile, seen, part);
    for (size_t row = 0; row < tile.n_rows; ++row) join_state(sum.state(row), tile.state(row));
  }
  for (size_t row = 0; row < tile.n_rows; ++row) {
    finish_state(sum.state(row), tile.head_dim,
                 a.out + tile.token(row) * a.ld_out + tile.head(row) * tile.head_dim);
  }
}

// Where the state of a part and row of the call lies in a.partial.
inline float* partial_state(const AttentionArgs& a, const RowTile& tile, size_t part, size_t row) {
  const size_t head_rows = (a.token_end - a.token_begin) * tile.group;
  const size_t n_rows = (a.kv_head_end - a.kv_head_begin) * head_rows;
  const size_t at = (tile.kv_head - a.kv_head_begin) * head_rows + tile.first_row + row -
                    a.token_begin * tile.group;
  return a.partial + ((part - a.part_begin) * n_rows + at) * tile.state_floats;
}

template <class Walk, KvType kType>
void attend_partial(const AttentionArgs& a, typename Walk::Tile& tile) {
  const KeyRange seen = seen_keys(a, tile);
  for (size_t part = a.part_begin; part < a.part_end; ++part) {
    tile.states = partial_state(a, tile, part, 0);
    attend_part<Walk, kType>(a, tile, seen, part);
  }
}

template <class Tile>
void start_tile(const AttentionArgs& a, Tile& tile) {
  tile.head_dim = a.kv.head_dim;
  tile.state_floats = attention_state_floats(a.kv.head_dim);
  tile.group = a.n_heads / a.kv.n_kv_heads;
}

// Calls body(tile) for tiles of at most max_rows rows of the call.
template <class Tile, class Body>
void for_tiles(const AttentionArgs& a, Tile& tile, size_t max_rows, const Body& body) {
  for (tile.kv_head = a.kv_head_begin; tile.kv_head < a.kv_head_end; ++tile.kv_head) {
    const size_t end = a.token_end * tile.group;
    for (size_t row = a.token_begin * tile.group; row < end; row += max_rows) {
      tile.first_row = row;
      tile.n_rows = end - row < max_rows ? end - row : max_rows;
      body(tile);
    }
  }
}

template <class Walk, KvType kType>
void attend(const AttentionArgs& a) {
  typename Walk::Tile tile{};
  start_tile(a, tile);
  const size_t n_rows = Walk::max_rows(tile.head_dim);
  float* whole = a.scratch;
  float* states = whole + n_rows * tile.state_floats;
  Walk::place(tile, states + n_rows * tile.state_floats);
  for_tiles(a, tile, n_rows, [&](typename Walk::Tile& rows) {
    Walk::load_queries(a, rows);
    if (a.partial != nullptr) return attend_partial<Walk, kType>(a, rows);
    rows.states = states;
    attend_whole<Walk, kType>(a, rows, whole);
  });
}

// kJoinAttention.
inline void join_attention(const AttentionArgs& a) {
  RowTile tile{};
  start_tile(a, tile);
  for_tiles(a, tile, 1, [&](const RowTile& row) {
    const RowState sum{a.scratch, padded_head(row.head_dim)};
    start_whole(sum, a.sinks == nullptr ? nullptr : a.sinks + row.head(0));
    for (size_t part = a.part_begin; part < a.part_end; ++part) {
      join_state(sum, {partial_state(a, row, part, 0), padded_head(row.head_dim)});
    }
    finish_state(sum, row.head_dim, a.out + row.token(0) * a.ld_out + row.head(0) * row.head_dim);
  });
}

}  // namespace
}  // namespace maru::kernels
