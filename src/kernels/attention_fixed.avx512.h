// Flash attention in 16-bit fixed point, by vpdpwssd: twice the multiply-adds of float arithmetic,
// on any CPU with VNNI, and exact sums.
//
// Queries and keys are scaled to a Euclidean norm of kNorm and rounded to integers: by Cauchy and
// Schwarz no partial sum of a score leaves 32 bits, and a component keeps 15 bits of its vector's
// norm, as much as a half keeps of a large component. Values are scaled to kValuePeak by their own
// row, whose scale goes into the exponent of the weights; weights are relative to the largest of
// their tile of 64 keys, 2^kWeightBits. The product of all three is below 2^31.
//
// Every scale belongs to one row of one head, so that a result depends neither on the rows beside
// it nor on keys that it does not see.
#pragma once

#include "kernels/attention_walk.h"
#include "kernels/kv_page.h"

namespace maru::kernels {
namespace {

constexpr size_t kBlockRows = 6;  // of a register tile, with 4 vectors of keys or values
constexpr size_t kVectors = kKeyTile / kLanes;
static_assert(kVectors == 4);
constexpr float kNorm = 32700.0f;
constexpr int kWeightBits = 13;
constexpr float kValuePeak = 4095.0f;

struct FixedTile : RowTile {
  int16_t* q;            // [rows, padded head]
  float* q_step;         // [rows]; a score is q_step * key_step * its integer, in units of ln 2
  int32_t* keys;         // [head / 2, kKeyTile] pairs of components
  int32_t* values;       // [kKeyTile / 2, padded head] pairs of keys
  float* key_step;       // [kKeyTile]
  float* value_log;      // [kKeyTile], log2 of the step of a value's integers
  float* value_inverse;  // [kKeyTile], one over that step
};

// a + b . c for pairs of 16-bit numbers. GCC 12 spills the sums around the intrinsic.
inline __m512i dot_pairs(__m512i a, __m512i b, __m512i c) {
  __asm__("vpdpwssd %2, %1, %0" : "+v"(a) : "v"(b), "v"(c));
  return a;
}

inline __m512i broadcast_pair(const int16_t* p) {
  int32_t pair;
  __builtin_memcpy(&pair, p, sizeof pair);
  return _mm512_set1_epi32(pair);
}

// Rounded integers of two vectors, side by side: low 16 bits from a.
inline __m512i pair16(Vec16 a, Vec16 b, Vec16 times_a, Vec16 times_b) {
  // Adding 1.5 * 2^23 rounds to the nearest integer, found in the low bits.
  const Vec16 magic = broadcast16(12582912.0f);
  const __m512i low = _mm512_castps_si512(fma16(a, times_a, magic).v);
  const __m512i high = _mm512_castps_si512(fma16(b, times_b, magic).v);
  return _mm512_mask_blend_epi16(0xaaaaaaaau, low, _mm512_slli_epi32(high, 16));
}

inline __m512i pair16(__m512i a, __m512i b) {
  return _mm512_mask_blend_epi16(0xaaaaaaaau, a, _mm512_slli_epi32(b, 16));
}

// log2 of positive numbers, absolute error below 1e-7: of m / sqrt(2) by the series of artanh.
inline Vec16 log2_16(Vec16 x) {
  const Vec16 e = {_mm512_getexp_ps(x.v)};
  const Vec16 m = {_mm512_getmant_ps(x.v, _MM_MANT_NORM_1_2, _MM_MANT_SIGN_nan)};
  const Vec16 t = m * broadcast16(0.70710678f), one = broadcast16(1.0f);
  const Vec16 z = (t - one) / (t + one), z2 = z * z;
  Vec16 p = fma16(z2, broadcast16(1.0f / 7), broadcast16(1.0f / 5));
  p = fma16(p, z2, broadcast16(1.0f / 3));
  p = fma16(p, z2, one);
  return fma16(z * p, broadcast16(2 * kLog2E), e + broadcast16(0.5f));
}

inline float norm_of(const float* x, size_t n) {
  Vec16 sum = zero16();
  for (size_t i = 0; i < n; i += kLanes) {
    const Vec16 v = load16_first(x + i, n - i < kLanes ? n - i : kLanes);
    sum = fma16(v, v, sum);
  }
  return _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(sum16(sum))));
}

// The first n <= 16 halves or bytes as floats; the others are zero.
template <KvType kType>
inline Vec16 load_first(const uint8_t* p, size_t n) {
  const auto mask = static_cast<__mmask16>((1u << n) - 1);
  if constexpr (kType == KvType::kF16) return {_mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask, p))};
  return {_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(mask, p)))};
}

// 16 keys -> pairs of components.
inline void load_keys_f16(const uint8_t* group, size_t head_dim, int32_t* keys, float* steps) {
  const auto load = [&](size_t i) {
    return i < head_dim ? load16_f16(group + i * kKvGroup * 2) : zero16();
  };
  Vec16 even = zero16(), odd = zero16();
  for (size_t i = 0; i < head_dim; i += 2) {
    const Vec16 a = load(i), b = load(i + 1);
    even = fma16(a, a, even);
    odd = fma16(b, b, odd);
  }
  // The order matters: a NaN is the second, so that it stays one.
  const Vec16 square = max16(broadcast16(1e-20f), even + odd);
  const Vec16 norm = {_mm512_sqrt_ps(square.v)};
  const Vec16 times = broadcast16(kNorm) / norm;
  store16(steps, norm * broadcast16(1.0f / kNorm));
  for (size_t i = 0; i < head_dim; i += 2) {
    const Vec16 a = load(i), b = load(i + 1);
    _mm512_store_si512(keys + i / 2 * kKeyTile, pair16(a, b, times, times));
  }
}

inline void load_keys_q8(const uint8_t* group, size_t head_dim, int32_t* keys) {
  const auto load = [&](size_t i) {
    const auto* p = reinterpret_cast<const __m128i*>(group + i * kKvGroup);
    return i < head_dim ? _mm512_cvtepi8_epi32(_mm_loadu_si128(p)) : _mm512_setzero_si512();
  };
  for (size_t i = 0; i < head_dim; i += 2) {
    _mm512_store_si512(keys + i / 2 * kKeyTile, pair16(load(i), load(i + 1)));
  }
}

// Keys of a tile that are loaded: whole groups; what lies behind the last seen one keeps what it
// had and gets no weight.
inline size_t loaded_keys(size_t first_key, size_t end) {
  const size_t seen = end - first_key;
  return seen < kKeyTile ? (seen + kKvGroup - 1) / kKvGroup * kKvGroup : kKeyTile;
}

inline void read_ahead(const uint8_t* p, size_t n) {
  for (size_t i = 0; i < n; i += 64) {
    _mm_prefetch(reinterpret_cast<const char*>(p + i), _MM_HINT_T0);
  }
}

// The tile of keys that comes after one, brought to the cache meanwhile: a tile is too short for
// the prefetchers of the CPU, and without it half of a decode step's attention waits for memory.
struct NextTile {
  const uint8_t *keys = nullptr, *values = nullptr;
  size_t bytes = 0;
};

template <KvType kType>
void load_keys(const AttentionArgs& a, const FixedTile& tile, size_t first_key, size_t n_keys) {
  for (size_t g = 0; g < n_keys; g += kKvGroup) {
    const uint8_t* group = k_group(a.kv, tile.kv_head, first_key + g);
    if constexpr (kType == KvType::kF16) {
      load_keys_f16(group, tile.head_dim, tile.keys + g, tile.key_step + g);
    } else {
      load_keys_q8(group, tile.head_dim, tile.keys + g);
    }
  }
  if constexpr (kType == KvType::kQ8) {
    const uint8_t* scales = kv_scale(a.kv, a.kv.k_offset, tile.kv_head, first_key);
    __builtin_memcpy(tile.key_step, scales, kKeyTile * sizeof(float));
  }
}

// The largest absolute value of n halves, as a half's bits: a NaN is larger than all numbers.
inline float peak_f16(const uint8_t* p, size_t n) {
  __m512i peak = _mm512_setzero_si512();
  for (size_t i = 0; i < n; i += 32) {
    const auto mask = n - i < 32 ? static_cast<__mmask32>((1u << (n - i)) - 1) : ~__mmask32{0};
    const __m512i halves = _mm512_maskz_loadu_epi16(mask, p + i * 2);
    peak = _mm512_max_epu16(peak, _mm512_and_si512(halves, _mm512_set1_epi16(0x7fff)));
  }
  const __m256i y =
      _mm256_max_epu16(_mm512_castsi512_si256(peak), _mm512_extracti64x4_epi64(peak, 1));
  const __m128i x = _mm_max_epu16(_mm256_castsi256_si128(y), _mm256_extracti128_si256(y, 1));
  const __m128i lowest = _mm_minpos_epu16(_mm_xor_si128(x, _mm_set1_epi16(-1)));
  return _cvtsh_ss(static_cast<uint16_t>(~_mm_cvtsi128_si32(lowest)));
}

// Steps of the integers of 64 values.
template <KvType kType>
void load_value_steps(const AttentionArgs& a, const FixedTile& tile, size_t first_key,
                      size_t n_keys) {
  const uint8_t* scales = nullptr;
  if constexpr (kType == KvType::kF16) {
    const uint8_t* values = v_row(a.kv, tile.kv_head, first_key);
    for (size_t key = 0; key < n_keys; ++key) {
      tile.value_log[key] = peak_f16(values + key * tile.head_dim * 2, tile.head_dim);
    }
  } else {
    scales = kv_scale(a.kv, a.kv.v_offset, tile.kv_head, first_key);
  }
  for (size_t i = 0; i < n_keys; i += kLanes) {
    // The floor gives zeros a step; a NaN is the second and stays one.
    const Vec16 step =
        kType == KvType::kQ8
            ? load16_f32(scales + i * sizeof(float))
            : max16(broadcast16(6.1e-5f), load16(tile.value_log + i)) * broadcast16(1 / kValuePeak);
    store16(tile.value_log + i, log2_16(step));
    store16(tile.value_inverse + i, broadcast16(1.0f) / step);
  }
}

template <KvType kType>
void load_values(const AttentionArgs& a, const FixedTile& tile, size_t first_key, size_t n_keys) {
  constexpr size_t kBytes = kType == KvType::kF16 ? 2 : 1;
  load_value_steps<kType>(a, tile, first_key, n_keys);
  const size_t dim = padded_head(tile.head_dim);
  for (size_t key = 0; key < n_keys; key += 2) {
    const uint8_t* row = v_row(a.kv, tile.kv_head, first_key + key);
    const uint8_t* next = row + tile.head_dim * kBytes;
    const bool whole = kType == KvType::kQ8;
    const Vec16 times = broadcast16(whole ? 1.0f : tile.value_inverse[key]);
    const Vec16 times_next = broadcast16(whole ? 1.0f : tile.value_inverse[key + 1]);
    for (size_t i = 0; i < dim; i += kLanes) {
      const size_t n = tile.head_dim - i < kLanes ? tile.head_dim - i : kLanes;
      _mm512_store_si512(tile.values + key / 2 * dim + i,
                         pair16(load_first<kType>(row + i * kBytes, n),
                                load_first<kType>(next + i * kBytes, n), times, times_next));
    }
  }
}

// scores[r, 0..64) = q k^T as integers.
template <size_t kRows>
void score_block(const FixedTile& tile, size_t row, int32_t* scores) {
  const size_t dim = padded_head(tile.head_dim);
  const int16_t* q = tile.q + row * dim;
  const int32_t* keys = tile.keys;
  __m512i sums[kRows][kVectors];
  for (size_t r = 0; r < kRows; ++r) {
    for (size_t c = 0; c < kVectors; ++c) sums[r][c] = _mm512_setzero_si512();
  }
  for (size_t i = 0; i < tile.head_dim; i += 2, keys += kKeyTile) {
    __m512i k[kVectors];
    for (size_t c = 0; c < kVectors; ++c) k[c] = _mm512_load_si512(keys + c * kLanes);
    for (size_t r = 0; r < kRows; ++r) {
      const __m512i pair = broadcast_pair(q + r * dim + i);
      for (size_t c = 0; c < kVectors; ++c) sums[r][c] = dot_pairs(sums[r][c], pair, k[c]);
    }
  }
  for (size_t r = 0; r < kRows; ++r) {
    for (size_t c = 0; c < kVectors; ++c) {
      _mm512_store_si512(scores + r * kKeyTile + c * kLanes, sums[r][c]);
    }
  }
}

// What the softmax of a block of rows hands to its values.
struct alignas(64) BlockWeights {
  int16_t p[kBlockRows][kKeyTile];
  float totals[kBlockRows][kLanes];
  float peaks[kLanes], keep[kLanes], add[kLanes];  // by row
};

// Integer scores of a row -> weights, 2^kWeightBits for the largest product of weight and step of
// the value. Keys [begin, end) are seen; kAll: all of them.
template <bool kAll>
void weigh_row(const AttentionArgs& a, const FixedTile& tile, size_t row, const int32_t* scores,
               int begin, int end, int16_t* p, float* totals, float* exponent) {
  const Vec16 q_step = broadcast16(tile.q_step[row]), unseen = broadcast16(kUnseen);
  Vec16 y[kVectors];
  for (size_t c = 0; c < kVectors; ++c) {
    const Vec16 whole = {_mm512_cvtepi32_ps(_mm512_load_si512(scores + c * kLanes))};
    Vec16 s = whole * load16(tile.key_step + c * kLanes);
    if (a.softcap > 0) {
      const Vec16 units = broadcast16(a.softcap * kLog2E);
      s = units * tanh16(s * q_step / units) + load16(tile.value_log + c * kLanes);
    } else {
      s = fma16(s, q_step, load16(tile.value_log + c * kLanes));
    }
    const int first = static_cast<int>(c * kLanes);
    y[c] = kAll ? s : select_lanes16(s, unseen, begin - first, end - first);
  }
  const float peak = largest16(max16(max16(y[0], y[1]), max16(y[2], y[3])));
  const Vec16 shift = broadcast16(peak - kWeightBits);
  Vec16 total = zero16();
  for (size_t c = 0; c < kVectors; ++c) {
    const int first = static_cast<int>(c * kLanes);
    Vec16 e = exp2_16(y[c] - shift), inverse = load16(tile.value_inverse + c * kLanes);
    if (!kAll) {
      e = select_lanes16(e, zero16(), begin - first, end - first);
      inverse = select_lanes16(inverse, zero16(), begin - first, end - first);
    }
    total = fma16(e, inverse, total);
    _mm256_store_si256(reinterpret_cast<__m256i*>(p + c * kLanes),
                       _mm512_cvtepi32_epi16(_mm512_cvtps_epi32(e.v)));
  }
  store16(totals, total);
  *exponent = peak;
}

// The part of a tile of keys that a row sees.
struct Seen {
  int begin, end;
};

inline Seen seen_of(const AttentionArgs& a, const FixedTile& tile, size_t row, size_t first_key) {
  const size_t last = last_seen(a, tile.token(row));
  const size_t first = a.window > 0 && last + 1 > a.window ? last + 1 - a.window : 0;
  const size_t from = first > first_key ? first - first_key : 0;
  const size_t to = last + 1 > first_key ? last + 1 - first_key : 0;
  return {static_cast<int>(from < kKeyTile ? from : kKeyTile),
          static_cast<int>(to < kKeyTile ? to : kKeyTile)};
}

// Weights of n rows, and their states' totals and exponents. Says what the block sees.
inline Seen weigh_block(const AttentionArgs& a, const FixedTile& tile, size_t row, size_t n,
                        size_t first_key, const int32_t* scores, BlockWeights& w) {
  Seen block{static_cast<int>(kKeyTile), 0};
  float before[kLanes] = {};
  for (size_t r = 0; r < n; ++r) {
    const Seen seen = seen_of(a, tile, row + r, first_key);
    const int32_t* s = scores + r * kKeyTile;
    before[r] = tile.state(row + r).exponent();
    if (seen.begin == 0 && seen.end == kKeyTile) {
      weigh_row<true>(a, tile, row + r, s, 0, kKeyTile, w.p[r], w.totals[r], &w.peaks[r]);
    } else if (seen.begin < seen.end) {
      weigh_row<false>(a, tile, row + r, s, seen.begin, seen.end, w.p[r], w.totals[r], &w.peaks[r]);
    } else {
      for (int16_t& p : w.p[r]) p = 0;
      store16(w.totals[r], zero16());
      w.peaks[r] = kFloor;
    }
    block.begin = seen.begin < block.begin ? seen.begin : block.begin;
    block.end = seen.end > block.end ? seen.end : block.end;
  }
  for (size_t r = n; r < kLanes; ++r) w.peaks[r] = 0;
  const Vec16 old = load16(before), peak = load16(w.peaks), largest = max16(old, peak);
  store16(w.keep, exp2_16(old - largest));
  store16(w.add, exp2_16(peak - largest - broadcast16(kWeightBits)));
  store16(w.peaks, largest);
  for (size_t r = 0; r < n; ++r) {
    const RowState state = tile.state(row + r);
    const Vec16 kept = load16(state.totals()) * broadcast16(w.keep[r]);
    store16(state.totals(), fma16(load16(w.totals[r]), broadcast16(w.add[r]), kept));
    state.exponent() = w.peaks[r];
  }
  return block;
}

// sums[r, column..] = keep * sums + add * p v over pairs [begin, end) of keys.
template <size_t kRows, size_t kColumns>
void value_block(const FixedTile& tile, size_t row, size_t column, const BlockWeights& w,
                 size_t begin, size_t end) {
  const size_t dim = padded_head(tile.head_dim);
  __m512i sums[kRows][kColumns];
  for (size_t r = 0; r < kRows; ++r) {
    for (size_t c = 0; c < kColumns; ++c) sums[r][c] = _mm512_setzero_si512();
  }
  for (size_t pair = begin; pair < end; ++pair) {
    const int32_t* values = tile.values + pair * dim + column;
    __m512i v[kColumns];
    for (size_t c = 0; c < kColumns; ++c) v[c] = _mm512_load_si512(values + c * kLanes);
    for (size_t r = 0; r < kRows; ++r) {
      const __m512i p = broadcast_pair(w.p[r] + 2 * pair);
      for (size_t c = 0; c < kColumns; ++c) sums[r][c] = dot_pairs(sums[r][c], p, v[c]);
    }
  }
  for (size_t r = 0; r < kRows; ++r) {
    float* out = tile.state(row + r).sums() + column;
    const Vec16 keep = broadcast16(w.keep[r]), add = broadcast16(w.add[r]);
    for (size_t c = 0; c < kColumns; ++c) {
      const Vec16 sum = {_mm512_cvtepi32_ps(sums[r][c])};
      store16(out + c * kLanes, fma16(sum, add, load16(out + c * kLanes) * keep));
    }
  }
}

template <size_t kRows>
void attend_block(const AttentionArgs& a, const FixedTile& tile, size_t row, size_t first_key) {
  if (seen_of(a, tile, row + kRows - 1, first_key).end <= 0) return;  // before all of the tile
  alignas(64) int32_t scores[kRows * kKeyTile];
  BlockWeights w;
  score_block<kRows>(tile, row, scores);
  const Seen seen = weigh_block(a, tile, row, kRows, first_key, scores, w);
  if (seen.begin >= seen.end) return;
  const size_t begin = static_cast<size_t>(seen.begin) / 2;
  const size_t end = static_cast<size_t>(seen.end + 1) / 2;
  const size_t dim = padded_head(tile.head_dim);
  size_t column = 0;
  for (; column + kVectors * kLanes <= dim; column += kVectors * kLanes) {
    value_block<kRows, kVectors>(tile, row, column, w, begin, end);
  }
  for (; column < dim; column += kLanes) value_block<kRows, 1>(tile, row, column, w, begin, end);
}

// Fixed-point arithmetic as attend() wants it (attention_walk.h).
struct FixedWalk {
  using Tile = FixedTile;
  static size_t max_rows(size_t head_dim) { return attention_rows(head_dim); }

  static void place(Tile& tile, float* scratch) {
    const size_t dim = padded_head(tile.head_dim);
    tile.keys = reinterpret_cast<int32_t*>(scratch);
    tile.values = tile.keys + kKeyTile / 2 * dim;
    tile.key_step = scratch + kKeyTile * dim;
    tile.value_log = tile.key_step + kKeyTile;
    tile.value_inverse = tile.value_log + kKeyTile;
    tile.q_step = tile.value_inverse + kKeyTile;
    tile.q = reinterpret_cast<int16_t*>(tile.q_step + max_rows(tile.head_dim));
  }

  static void load_queries(const AttentionArgs& a, const Tile& tile) {
    const size_t dim = padded_head(tile.head_dim);
    for (size_t row = 0; row < tile.n_rows; ++row) {
      const float* q = a.q + tile.token(row) * a.ld_q + tile.head(row) * tile.head_dim;
      const float norm = norm_of(q, tile.head_dim);
      // A norm that is not finite gives a step that is not.
      const Vec16 times = broadcast16(norm > 1e-20f ? kNorm / norm : 0.0f);
      tile.q_step[row] = norm * a.scale * (kLog2E / kNorm);
      for (size_t i = 0; i < dim; i += kLanes) {
        const size_t n = tile.head_dim - i < kLanes ? tile.head_dim - i : kLanes;
        const __m512i whole = _mm512_cvtps_epi32((load16_first(q + i, n) * times).v);
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(tile.q + row * dim + i),
                            _mm512_cvtepi32_epi16(whole));
      }
    }
  }

  // `end`: of the part of the keys that is walked.
  template <KvType kType>
  static NextTile next_tile(const AttentionArgs& a, const Tile& tile, size_t first_key,
                            size_t end) {
    const KeyRange seen = seen_keys(a, tile);
    const bool alone = a.partial != nullptr;  // other parts may be other threads'
    size_t head = tile.kv_head, key = first_key + kKeyTile;
    if (!alone) end = seen.end;
    if (key >= end) {
      if (alone || ++head == a.kv_head_end) return {};
      key = seen.begin / kKeyTile * kKeyTile;
    }
    return {k_group(a.kv, head, key), v_row(a.kv, head, key),
            loaded_keys(key, end) * a.kv.head_dim * kv_element_bytes(kType)};
  }

  template <KvType kType>
  static void walk(const AttentionArgs& a, const Tile& tile, size_t begin, size_t end) {
    for (size_t key = begin / kKeyTile * kKeyTile; key < end; key += kKeyTile) {
      const NextTile next = next_tile<kType>(a, tile, key, end);
      const size_t n_keys = loaded_keys(key, end);
      read_ahead(next.keys, next.bytes);
      load_keys<kType>(a, tile, key, n_keys);
      read_ahead(next.values, next.bytes);
      load_values<kType>(a, tile, key, n_keys);
      size_t row = 0;
      for (; row + 6 <= tile.n_rows; row += 6) attend_block<6>(a, tile, row, key);
      for (; row + 4 <= tile.n_rows; row += 4) attend_block<4>(a, tile, row, key);
      for (; row + 3 <= tile.n_rows; row += 3) attend_block<3>(a, tile, row, key);
      for (; row < tile.n_rows; ++row) attend_block<1>(a, tile, row, key);
    }
  }
};

}  // namespace
}  // namespace maru::kernels
