// Flash attention over KV pages in float arithmetic. A tile of rows, a row being one query head of
// one token, walks the keys in tiles of 32; all query heads of a kv head share its loads. Include
// the ISA's vec16 header first.
//
// Key tiles start at multiples of 32 whatever the call, and a tile that a row does not see leaves
// the row as it was, so that results do not depend on which rows share a tile.
#pragma once

#include "kernels/attention_walk.h"
#include "kernels/half.h"
#include "kernels/kernel_api.h"
#include "kernels/kv_page.h"

namespace maru::kernels {
namespace {

constexpr size_t kFloatTile = 2 * kLanes;   // positions
constexpr size_t kFloatRows = 48;           // so that a tile stays in the first cache
constexpr size_t kFewRows = kTileRows / 2;  // for the query heads of one token

struct FloatTile : RowTile {
  float* q;       // [rows, head_dim], scaled
  float* p;       // [rows, kFloatTile]
  float* shrink;  // [rows]
  float* wide;    // [kFloatTile, head_dim], keys or values of a tile as floats
};

template <KvType kType>
constexpr size_t kSize = kType == KvType::kF32   ? 4
                         : kType == KvType::kF16 ? 2
                                                 : 1;

template <KvType kType>
inline float load_kv_one(const uint8_t* p) {
  if constexpr (kType == KvType::kF16) return load_f16(p);
  if constexpr (kType == KvType::kQ8) return static_cast<float>(static_cast<int8_t>(*p));
  float x;
  __builtin_memcpy(&x, p, sizeof x);
  return x;
}

template <KvType kType>
inline Vec16 load_kv(const uint8_t* p) {
  if constexpr (kType == KvType::kF16) return load16_f16(p);
  if constexpr (kType == KvType::kQ8) return load16_i8(p);
  return load16_f32(p);
}

// p[row, 0..32) = q k^T for kRows rows.
template <KvType kType, size_t kRows>
void score_rows(const FloatTile& tile, size_t row, const uint8_t* keys_a, const uint8_t* keys_b) {
  constexpr size_t kStep = kKvGroup * kSize<kType>;
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
    store16(tile.p + (row + r) * kFloatTile, a[r]);
    store16(tile.p + (row + r) * kFloatTile + kLanes, b[r]);
  }
}

// The scales of a tile's keys and values; null for types without.
struct TileScales {
  const uint8_t *keys, *values;
};

// Scores -> weights relative to the new exponent. Keys [begin, end) of the tile are seen by the
// row. Weights of kQ8 values take in the scale of the value.
inline void softmax_row(const AttentionArgs& a, const FloatTile& tile, const TileScales& scales,
                        size_t row, int begin, int end) {
  float* p = tile.p + row * kFloatTile;
  Vec16 low = load16(p), high = load16(p + kLanes);
  if (scales.keys != nullptr) {
    low = low * load16_f32(scales.keys);
    high = high * load16_f32(scales.keys + kLanes * sizeof(float));
  }
  if (a.softcap > 0) {
    const float units = a.softcap * kLog2E;
    const Vec16 cap = broadcast16(units), inverse = broadcast16(1.0f / units);
    low = cap * tanh16(low * inverse);
    high = cap * tanh16(high * inverse);
  }
  // Lanes outside may hold anything, also NaN: they are replaced, not multiplied.
  const Vec16 unseen = broadcast16(kUnseen);
  low = select_lanes16(low, unseen, begin, end);
  high = select_lanes16(high, unseen, begin - 16, end - 16);
  const RowState state = tile.state(row);
  const float peak = largest16(max16(low, high));
  const float before = state.exponent();
  const float largest = peak > before ? peak : before;
  const Vec16 shift = broadcast16(largest);
  low = select_lanes16(exp2_16(low - shift), zero16(), begin, end);
  high = select_lanes16(exp2_16(high - shift), zero16(), begin - 16, end - 16);
  const Vec16 shrink = exp2_16(broadcast16(before - largest));
  tile.shrink[row] = first16(shrink);
  store16(state.totals(), fma16(load16(state.totals()), shrink, low + high));
  state.exponent() = largest;
  if (scales.values != nullptr) {
    const Vec16 first = load16_f32(scales.values);
    const Vec16 second = load16_f32(scales.values + kLanes * sizeof(float));
    low = low * select_lanes16(first, zero16(), begin, end);
    high = high * select_lanes16(second, zero16(), begin - 16, end - 16);
  }
  store16(p, low);
  store16(p + kLanes, high);
}

// sums[row, column..] = shrink * sums + p v over the keys [begin, end) of the tile, for kRows rows
// and kColumns vectors of 16 components.
template <KvType kType, size_t kRows, size_t kColumns>
void value_rows(const FloatTile& tile, size_t row, size_t column, const uint8_t* values,
                size_t begin, size_t end) {
  float* out = tile.state(row).sums() + column;
  Vec16 sums[kRows][kColumns];
  for (size_t r = 0; r < kRows; ++r) {
    const Vec16 shrink = broadcast16(tile.shrink[row + r]);
    for (size_t c = 0; c < kColumns; ++c) {
      sums[r][c] = load16(out + r * tile.state_floats + c * kLanes) * shrink;
    }
  }
  for (size_t key = begin; key < end; ++key) {
    const uint8_t* v = values + (key * tile.head_dim + column) * kSize<kType>;
    Vec16 v_key[kColumns];
    for (size_t c = 0; c < kColumns; ++c) v_key[c] = load_kv<kType>(v + c * kLanes * kSize<kType>);
    for (size_t r = 0; r < kRows; ++r) {
      const Vec16 p = broadcast16(tile.p[(row + r) * kFloatTile + key]);
      for (size_t c = 0; c < kColumns; ++c) sums[r][c] = fma16(p, v_key[c], sums[r][c]);
    }
  }
  for (size_t r = 0; r < kRows; ++r) {
    for (size_t c = 0; c < kColumns; ++c) {
      store16(out + r * tile.state_floats + c * kLanes, sums[r][c]);
    }
  }
}

// Rest of a head whose size is no multiple of 16, one component at a time.
template <KvType kType>
void value_rest(const FloatTile& tile, size_t column, const uint8_t* values, size_t begin,
                size_t end) {
  for (size_t row = 0; row < tile.n_rows; ++row) {
    float* sums = tile.state(row).sums();
    for (size_t i = column; i < tile.head_dim; ++i) {
      float sum = sums[i] * tile.shrink[row];
      for (size_t key = begin; key < end; ++key) {
        const float v = load_kv_one<kType>(values + (key * tile.head_dim + i) * kSize<kType>);
        sum += tile.p[row * kFloatTile + key] * v;
      }
      sums[i] = sum;
    }
  }
}

template <KvType kType, size_t kRows>
void value_columns(const FloatTile& tile, size_t row, const uint8_t* values, size_t begin,
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
void score_tile(const FloatTile& tile, const uint8_t* keys, const uint8_t* more_keys) {
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
void value_tile(const FloatTile& tile, const uint8_t* values, size_t begin, size_t end) {
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

// n numbers of a page -> floats.
template <KvType kType>
void widen(const uint8_t* from, size_t n, float* to) {
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store16(to + i, load_kv<kType>(from + i * kSize<kType>));
  for (; i < n; ++i) to[i] = load_kv_one<kType>(from + i * kSize<kType>);
}

inline const uint8_t* bytes_of(const float* x) { return reinterpret_cast<const uint8_t*>(x); }

// One key tile against all rows of the tile. Keys before `begin` and from `end` on are seen by
// none.
template <KvType kType>
void key_tile(const AttentionArgs& a, const FloatTile& tile, size_t first_key, size_t begin,
              size_t end) {
  // Keys and values are widened once if several register tiles of rows use them.
  const bool widened = kType != KvType::kF32 && tile.n_rows > kTileRows;
  const uint8_t* keys = k_group(a.kv, tile.kv_head, first_key);
  const uint8_t* more_keys = k_group(a.kv, tile.kv_head, first_key + kKvGroup);
  if (widened) {
    const size_t n = kKvGroup * tile.head_dim;
    widen<kType>(keys, n, tile.wide);
    widen<kType>(more_keys, n, tile.wide + n);
    score_tile<KvType::kF32>(tile, bytes_of(tile.wide), bytes_of(tile.wide + n));
  } else {
    score_tile<kType>(tile, keys, more_keys);
  }

  TileScales scales{};
  if (kType == KvType::kQ8) {
    scales = {kv_scale(a.kv, a.kv.k_offset, tile.kv_head, first_key),
              kv_scale(a.kv, a.kv.v_offset, tile.kv_head, first_key)};
  }
  for (size_t row = 0; row < tile.n_rows; ++row) {
    const size_t last = last_seen(a, tile.token(row));
    const size_t first = a.window > 0 && last + 1 > a.window ? last + 1 - a.window : 0;
    const size_t from = first > first_key ? first - first_key : 0;
    const size_t to = last + 1 > first_key ? last + 1 - first_key : 0;
    softmax_row(a, tile, scales, row, static_cast<int>(from < kFloatTile ? from : kFloatTile),
                static_cast<int>(to < kFloatTile ? to : kFloatTile));
  }

  const uint8_t* values = v_row(a.kv, tile.kv_head, first_key);
  if (widened) {
    widen<kType>(values + begin * tile.head_dim * kSize<kType>, (end - begin) * tile.head_dim,
                 tile.wide + begin * tile.head_dim);
    value_tile<KvType::kF32>(tile, bytes_of(tile.wide), begin, end);
  } else {
    value_tile<kType>(tile, values, begin, end);
  }
}

// Float arithmetic as attend() wants it (attention_walk.h).
struct FloatWalk {
  using Tile = FloatTile;
  static size_t max_rows(size_t) { return kFloatRows; }

  static void place(Tile& tile, float* scratch) {
    tile.q = scratch;
    tile.p = tile.q + kFloatRows * tile.head_dim;
    tile.shrink = tile.p + kFloatRows * kFloatTile;
    tile.wide = tile.shrink + kFloatRows;
  }

  static void load_queries(const AttentionArgs& a, const Tile& tile) {
    for (size_t row = 0; row < tile.n_rows; ++row) {
      const float* q = a.q + tile.token(row) * a.ld_q + tile.head(row) * tile.head_dim;
      for (size_t i = 0; i < tile.head_dim; ++i) {
        tile.q[row * tile.head_dim + i] = q[i] * (a.scale * kLog2E);
      }
    }
  }

  template <KvType kType>
  static void walk(const AttentionArgs& a, const Tile& tile, size_t begin, size_t end) {
    for (size_t key = begin / kFloatTile * kFloatTile; key < end; key += kFloatTile) {
      key_tile<kType>(a, tile, key, begin > key ? begin - key : 0,
                      end - key < kFloatTile ? end - key : kFloatTile);
    }
  }
};

// The kernel of an ISA that has nothing better than float arithmetic.
inline void float_attention(const AttentionArgs& a) {
  switch (a.kv.type) {
    case KvType::kF32: return attend<FloatWalk, KvType::kF32>(a);
    case KvType::kF16: return attend<FloatWalk, KvType::kF16>(a);
    case KvType::kQ8: return attend<FloatWalk, KvType::kQ8>(a);
  }
}

}  // namespace
}  // namespace maru::kernels
