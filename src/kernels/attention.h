// Flash attention over KV pages (Dao 2022; running maximum and sum as in Milakov and Gimelshein
// 2018). A tile of rows, a row being one query head of one token, walks the keys in tiles of 32;
// all query heads of a kv head share its loads. Include the ISA's vec16 header first.
//
// Key tiles start at multiples of 32 whatever the call, and a tile that a row does not see leaves
// the row as it was, so that results do not depend on which rows share a tile.
#pragma once

#include "kernels/attention_tile.h"
#include "kernels/exp16.h"
#include "kernels/half.h"
#include "kernels/kernel_api.h"
#include "kernels/kv_page.h"

namespace maru::kernels {
namespace {

constexpr size_t kLanes = 16;
constexpr size_t kFewRows = kTileRows / 2;  // for the query heads of one token
constexpr float kFloor = -1e30f;  // a running maximum before any key; finite, so differences are

// What a tile of rows keeps in the caller's scratch.
struct RowTile {
  float* q;        // [rows, head_dim], scaled
  float* out;      // [rows, head_dim], not yet divided by total
  float* p;        // [rows, kKeyTile]
  float* total;    // [rows, 16], to be added up at the end
  float* largest;  // [rows]
  float* shrink;   // [rows]
  float* wide;     // [kKeyTile, head_dim], keys or values of a tile as floats
  size_t n_rows, head_dim;
  size_t kv_head, group;
  size_t first_row;  // rows of a kv head are numbered token * group + head in the group

  size_t token(size_t row) const { return (first_row + row) / group; }
  size_t head(size_t row) const { return kv_head * group + (first_row + row) % group; }
};

template <KvType kType>
inline float load_kv_one(const uint8_t* p) {
  if constexpr (kType == KvType::kF16) return load_f16(p);
  float x;
  __builtin_memcpy(&x, p, sizeof x);
  return x;
}

template <KvType kType>
inline Vec16 load_kv(const uint8_t* p) {
  if constexpr (kType == KvType::kF16) return load16_f16(p);
  return load16_f32(p);
}

// p[row, 0..32) = q k^T for kRows rows.
template <KvType kType, size_t kRows>
void score_rows(const RowTile& tile, size_t row, const uint8_t* keys_a, const uint8_t* keys_b) {
  constexpr size_t kStep = kKvGroup * (kType == KvType::kF16 ? 2 : 4);
  const float* q = tile.q + row * tile.head_dim;
  Vec16 a[kRows], b[kRows];
  // The first component starts the sums: GCC makes slow string stores of loops that clear arrays.
  const Vec16 first_a = load_kv<kType>(keys_a), first_b = load_kv<kType>(keys_b);
  for (size_t r = 0; r < kRows; ++r) {
    const Vec16 q_i = broadcast16(q[r * tile.head_dim]);
    a[r] = q_i * first_a;
    b[r] = q_i * first_b;
  }
  for (size_t i = 1; i < tile.head_dim; ++i) {
    const Vec16 k_a = load_kv<kType>(keys_a + i * kStep), k_b = load_kv<kType>(keys_b + i * kStep);
    for (size_t r = 0; r < kRows; ++r) {
      const Vec16 q_i = broadcast16(q[r * tile.head_dim + i]);
      a[r] = fma16(q_i, k_a, a[r]);
      b[r] = fma16(q_i, k_b, b[r]);
    }
  }
  for (size_t r = 0; r < kRows; ++r) {
    store16(tile.p + (row + r) * kKeyTile, a[r]);
    store16(tile.p + (row + r) * kKeyTile + kLanes, b[r]);
  }
}

// Scores -> probabilities relative to the new running maximum. Keys [begin, end) of the tile are
// seen by the row.
inline void softmax_row(const AttentionArgs& a, const RowTile& tile, size_t row, int begin,
                        int end) {
  float* p = tile.p + row * kKeyTile;
  Vec16 low = load16(p), high = load16(p + kLanes);
  if (a.softcap > 0) {
    const Vec16 cap = broadcast16(a.softcap), inverse = broadcast16(1.0f / a.softcap);
    low = cap * tanh16(low * inverse);
    high = cap * tanh16(high * inverse);
  }
  // Lanes outside may hold anything, also NaN: they are replaced, not multiplied.
  const Vec16 unseen = broadcast16(-3e38f);
  low = select_lanes16(low, unseen, begin, end);
  high = select_lanes16(high, unseen, begin - 16, end - 16);
  const float peak = largest16(max16(low, high));
  const float before = tile.largest[row];
  const float largest = peak > before ? peak : before;
  const Vec16 shift = broadcast16(largest);
  low = select_lanes16(exp16(low - shift), zero16(), begin, end);
  high = select_lanes16(exp16(high - shift), zero16(), begin - 16, end - 16);
  store16(p, low);
  store16(p + kLanes, high);
  float* total = tile.total + row * kLanes;
  if (largest == before) {
    tile.shrink[row] = 1.0f;
    store16(total, load16(total) + (low + high));
    return;
  }
  const Vec16 shrink = exp16(broadcast16(before - largest));
  tile.shrink[row] = first16(shrink);
  store16(total, fma16(load16(total), shrink, low + high));
  tile.largest[row] = largest;
}

// out[row, column..] = shrink * out + p v over the keys [begin, end) of the tile, for kRows rows
// and kColumns vectors of 16 components.
template <KvType kType, size_t kRows, size_t kColumns>
void value_rows(const RowTile& tile, size_t row, size_t column, const uint8_t* values, size_t begin,
                size_t end) {
  constexpr size_t kSize = kType == KvType::kF16 ? 2 : 4;
  float* out = tile.out + row * tile.head_dim + column;
  Vec16 sums[kRows][kColumns];
  for (size_t r = 0; r < kRows; ++r) {
    const Vec16 shrink = broadcast16(tile.shrink[row + r]);
    for (size_t c = 0; c < kColumns; ++c) {
      sums[r][c] = load16(out + r * tile.head_dim + c * kLanes) * shrink;
    }
  }
  for (size_t key = begin; key < end; ++key) {
    const uint8_t* v = values + (key * tile.head_dim + column) * kSize;
    Vec16 v_key[kColumns];
    for (size_t c = 0; c < kColumns; ++c) v_key[c] = load_kv<kType>(v + c * kLanes * kSize);
    for (size_t r = 0; r < kRows; ++r) {
      const Vec16 p = broadcast16(tile.p[(row + r) * kKeyTile + key]);
      for (size_t c = 0; c < kColumns; ++c) sums[r][c] = fma16(p, v_key[c], sums[r][c]);
    }
  }
  for (size_t r = 0; r < kRows; ++r) {
    for (size_t c = 0; c < kColumns; ++c) {
      store16(out + r * tile.head_dim + c * kLanes, sums[r][c]);
    }
  }
}

// Rest of a head whose size is no multiple of 16, one component at a time.
template <KvType kType>
void value_rest(const RowTile& tile, size_t column, const uint8_t* values, size_t begin,
                size_t end) {
  constexpr size_t kSize = kType == KvType::kF16 ? 2 : 4;
  for (size_t row = 0; row < tile.n_rows; ++row) {
    for (size_t i = column; i < tile.head_dim; ++i) {
      float sum = tile.out[row * tile.head_dim + i] * tile.shrink[row];
      for (size_t key = begin; key < end; ++key) {
        const float v = load_kv_one<kType>(values + (key * tile.head_dim + i) * kSize);
        sum += tile.p[row * kKeyTile + key] * v;
      }
      tile.out[row * tile.head_dim + i] = sum;
    }
  }
}

template <KvType kType, size_t kRows>
void value_columns(const RowTile& tile, size_t row, const uint8_t* values, size_t begin,
                   size_t end) {
  size_t column = 0;
  for (; column + kValueColumns * kLanes <= tile.head_dim; column += kValueColumns * kLanes) {
    value_rows<kType, kRows, kValueColumns>(tile, row, column, values, begin, end);
  }
  for (; column + kLanes <= tile.head_dim; column += kLanes) {
    value_rows<kType, kRows, 1>(tile, row, column, values, begin, end);
  }
}

template <KvType kType>
void score_tile(const RowTile& tile, const uint8_t* keys, const uint8_t* more_keys) {
  size_t row = 0;
  for (; row + kTileRows <= tile.n_rows; row += kTileRows) {
    score_rows<kType, kTileRows>(tile, row, keys, more_keys);
  }
  for (; row + kFewRows <= tile.n_rows; row += kFewRows) {
    score_rows<kType, kFewRows>(tile, row, keys, more_keys);
  }
  for (; row < tile.n_rows; ++row) score_rows<kType, 1>(tile, row, keys, more_keys);
}

template <KvType kType>
void value_tile(const RowTile& tile, const uint8_t* values, size_t begin, size_t end) {
  size_t row = 0;
  for (; row + kTileRows <= tile.n_rows; row += kTileRows) {
    value_columns<kType, kTileRows>(tile, row, values, begin, end);
  }
  for (; row + kFewRows <= tile.n_rows; row += kFewRows) {
    value_columns<kType, kFewRows>(tile, row, values, begin, end);
  }
  for (; row < tile.n_rows; ++row) value_columns<kType, 1>(tile, row, values, begin, end);
  const size_t whole = tile.head_dim / kLanes * kLanes;
  if (whole < tile.head_dim) value_rest<kType>(tile, whole, values, begin, end);
}

// n halves -> floats.
inline void widen(const uint8_t* from, size_t n, float* to) {
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store16(to + i, load16_f16(from + i * 2));
  for (; i < n; ++i) to[i] = load_f16(from + i * 2);
}

inline const uint8_t* bytes_of(const float* x) { return reinterpret_cast<const uint8_t*>(x); }

// One key tile against all rows of the tile. Keys before `begin` and from `end` on are seen by
// none.
template <KvType kType>
void key_tile(const AttentionArgs& a, const RowTile& tile, size_t first_key, size_t begin,
              size_t end) {
  // Halves are widened once if several register tiles of rows use them.
  const bool widened = kType == KvType::kF16 && tile.n_rows > kTileRows;
  const uint8_t* keys = k_group(a.kv, tile.kv_head, first_key);
  const uint8_t* more_keys = k_group(a.kv, tile.kv_head, first_key + kKvGroup);
  if (widened) {
    const size_t n = kKvGroup * tile.head_dim;
    widen(keys, n, tile.wide);
    widen(more_keys, n, tile.wide + n);
    score_tile<KvType::kF32>(tile, bytes_of(tile.wide), bytes_of(tile.wide + n));
  } else {
    score_tile<kType>(tile, keys, more_keys);
  }

  for (size_t row = 0; row < tile.n_rows; ++row) {
    const size_t last = a.first_position + tile.token(row);
    const size_t first = a.window > 0 && last + 1 > a.window ? last + 1 - a.window : 0;
    const size_t from = first > first_key ? first - first_key : 0;
    const size_t to = last + 1 > first_key ? last + 1 - first_key : 0;
    softmax_row(a, tile, row, static_cast<int>(from < kKeyTile ? from : kKeyTile),
                static_cast<int>(to < kKeyTile ? to : kKeyTile));
  }

  const uint8_t* values = v_row(a.kv, tile.kv_head, first_key);
  if (widened) {
    widen(values + begin * tile.head_dim * 2, (end - begin) * tile.head_dim,
          tile.wide + begin * tile.head_dim);
    value_tile<KvType::kF32>(tile, bytes_of(tile.wide), begin, end);
  } else {
    value_tile<kType>(tile, values, begin, end);
  }
}

inline void start_rows(const AttentionArgs& a, const RowTile& tile) {
  for (size_t row = 0; row < tile.n_rows; ++row) {
    const size_t head = tile.head(row);
    const float* q = a.q + tile.token(row) * a.ld_q + head * tile.head_dim;
    for (size_t i = 0; i < tile.head_dim; ++i) {
      tile.q[row * tile.head_dim + i] = q[i] * a.scale;
      tile.out[row * tile.head_dim + i] = 0;
    }
    tile.largest[row] = a.sinks != nullptr ? a.sinks[head] : kFloor;
    store16(tile.total + row * kLanes, zero16());
    if (a.sinks != nullptr) tile.total[row * kLanes] = 1.0f;
  }
}

inline void finish_rows(const AttentionArgs& a, const RowTile& tile) {
  for (size_t row = 0; row < tile.n_rows; ++row) {
    float* out = a.out + tile.token(row) * a.ld_out + tile.head(row) * tile.head_dim;
    const float inverse = 1.0f / sum16(load16(tile.total + row * kLanes));
    for (size_t i = 0; i < tile.head_dim; ++i) out[i] = tile.out[row * tile.head_dim + i] * inverse;
  }
}

template <KvType kType>
void attend(const AttentionArgs& a, const RowTile& tile) {
  start_rows(a, tile);
  const size_t first_query = a.first_position + tile.token(0);
  const size_t last_query = a.first_position + tile.token(tile.n_rows - 1);
  const size_t first = a.window > 0 && first_query + 1 > a.window ? first_query + 1 - a.window : 0;
  for (size_t key = first / kKeyTile * kKeyTile; key <= last_query; key += kKeyTile) {
    const size_t begin = first > key ? first - key : 0;
    const size_t rest = last_query + 1 - key;
    key_tile<kType>(a, tile, key, begin, rest < kKeyTile ? rest : kKeyTile);
  }
  finish_rows(a, tile);
}

void attention(const AttentionArgs& a) {
  const size_t head_dim = a.kv.head_dim, group = a.n_heads / a.kv.n_kv_heads;
  RowTile tile{};
  tile.q = a.scratch;
  tile.out = tile.q + kAttentionRows * head_dim;
  tile.p = tile.out + kAttentionRows * head_dim;
  tile.total = tile.p + kAttentionRows * kKeyTile;
  tile.largest = tile.total + kAttentionRows * kLanes;
  tile.shrink = tile.largest + kAttentionRows;
  tile.wide = tile.shrink + kAttentionRows;
  tile.head_dim = head_dim;
  tile.group = group;
  for (tile.kv_head = a.kv_head_begin; tile.kv_head < a.kv_head_end; ++tile.kv_head) {
    const size_t end = a.token_end * group;
    for (size_t row = a.token_begin * group; row < end; row += kAttentionRows) {
      tile.first_row = row;
      tile.n_rows = end - row < kAttentionRows ? end - row : kAttentionRows;
      if (a.kv.type == KvType::kF16) {
        attend<KvType::kF16>(a, tile);
      } else {
        attend<KvType::kF32>(a, tile);
      }
    }
  }
}

}  // namespace
}  // namespace maru::kernels
