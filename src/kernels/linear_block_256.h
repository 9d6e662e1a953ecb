// Products with quantised weights in 256-bit registers: 8 rows x 4 columns of weights against 4
// activations of one token, broadcast; a panel is two such halves. What multiplies is a parameter:
// linear_block.avx2.h and linear_block.avxvnni.h. Layouts: docs/formats/packed-weights.md.
//
// Per block of 32 and token: sum += (scale_x * dot) * scale_w (+ min_w * scale_x sum_x), in the
// same order in all functions here, so that a row's result does not depend on the rows beside it.
//
// A class Dot<L> adds up the integer products of one scale, for 8 rows and one token:
//   static constexpr bool kSigned8   8-bit weights come as signed numbers, else with their offset
//   void begin(start), add<j>(w, x)  the j-th group of 4 columns
//   __m256i value()                  start + all that was added
#pragma once

#include <immintrin.h>

#include "kernels/activations.h"
#include "kernels/block_at.h"
#include "kernels/block_layout.h"
#include "kernels/kernel_api.h"

namespace maru::kernels {
namespace {

inline __m256i load_bytes(const uint8_t* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}
inline __m256 broadcast_float(const uint8_t* p) {
  float x;
  __builtin_memcpy(&x, p, sizeof x);
  return _mm256_set1_ps(x);
}
inline __m256i broadcast_dword(const uint8_t* p) {
  int32_t x;
  __builtin_memcpy(&x, p, sizeof x);
  return _mm256_set1_epi32(x);
}

template <int kLeft>
inline __m256i shift_bits(__m256i x) {
  if constexpr (kLeft > 0) return _mm256_slli_epi16(x, kLeft);
  if constexpr (kLeft < 0) return _mm256_srli_epi16(x, -kLeft);
  return x;
}

// Column group i (4 columns) of 8 rows, half 0 or 1 of the panel.
template <BlockLayout L, bool kSigned8, int i>
inline __m256i unpack_columns(const uint8_t* block, size_t half) {
  constexpr int kVector = i % L.low_bits, kSlot = i / L.low_bits;
  __m256i q = load_bytes(block + kVector * 64 + half * 32);
  if constexpr (L.low_bits < 8) {
    q = _mm256_and_si256(shift_bits<-kSlot * L.low_bits>(q),
                         _mm256_set1_epi8((1 << L.low_bits) - 1));
  } else if constexpr (kSigned8) {
    q = _mm256_xor_si256(q, _mm256_set1_epi8(-128));
  }
  if constexpr (L.high_bits > 0) {
    constexpr int kHighVector = i % L.high_bits, kHighSlot = i / L.high_bits;
    constexpr int kMask = ((1 << L.high_bits) - 1) << L.low_bits;
    const __m256i high = load_bytes(block + L.low_bytes() + kHighVector * 64 + half * 32);
    const __m256i shifted = shift_bits<L.low_bits - kHighSlot * L.high_bits>(high);
    q = _mm256_or_si256(q, _mm256_and_si256(shifted, _mm256_set1_epi8(static_cast<char>(kMask))));
  }
  return q;
}

inline __m256 load_halves(const uint8_t* p) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
inline __m256i load_int8(const uint8_t* p) {
  return _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
}

template <BlockLayout L>
inline __m256 load_scale(const BlockAt<L>& at, int h, size_t half) {
  const uint8_t* scales = at.block + L.quant_bytes();
  if constexpr (!L.is_super) return load_halves(scales + half * 16);
  __m256i sc = load_int8(scales + h * 16 + half * 8);
  if constexpr (L.nibble_scales) sc = _mm256_and_si256(sc, _mm256_set1_epi32(15));
  return _mm256_mul_ps(load_halves(at.header + half * 16), _mm256_cvtepi32_ps(sc));
}

template <BlockLayout L>
inline __m256 load_min(const BlockAt<L>& at, int h, size_t half) {
  const uint8_t* scales = at.block + L.quant_bytes();
  if constexpr (!L.is_super) return load_halves(scales + 32 + half * 16);
  __m256i mn;
  if constexpr (L.nibble_scales) {
    mn = _mm256_and_si256(_mm256_srli_epi32(load_int8(scales + h * 16 + half * 8), 4),
                          _mm256_set1_epi32(15));
  } else {
    mn = load_int8(scales + (L.halves + h) * 16 + half * 8);
  }
  return _mm256_mul_ps(load_halves(at.header + 32 + half * 16),
                       _mm256_cvtepi32_ps(_mm256_sub_epi32(_mm256_setzero_si256(), mn)));
}

// Blocks that are worked on at a time.
constexpr size_t kStripBlocks = 24;

// What depends on a group's activations alone, for the blocks of a strip, 8 of them computed at
// once: what the integer products start from and the sums that minima are multiplied with.
template <BlockLayout L, int kOffset>
struct GroupSums {
  static constexpr size_t kLength = kStripBlocks * kActRowGroup;
  alignas(32) int32_t starts[L.halves][kOffset == 0 ? 8 : kLength];            // -offset * sum
  alignas(32) float sums[L.halves][L.has_min && L.halves == 2 ? kLength : 8];  // scale * sum
  const uint8_t* whole_sums;

  void prepare(const ActivationGroup<const uint8_t>& x, size_t first, size_t n) {
    whole_sums = x.sums + first * x.width * 4;
    for (size_t i = 0; i < n * x.width; i += 8) {  // may read into the plane behind
      const size_t at = (first * x.width + i) * 4;
      const __m256i halves = load_bytes(x.half_sums + at);
      for (int h = 0; h < L.halves; ++h) {
        const int of_low = h == 0, of_high = L.halves == 1 || h == 1;
        if constexpr (kOffset != 0) {
          _mm256_store_si256(reinterpret_cast<__m256i*>(starts[h] + i),
                             sum_halves(halves, -kOffset * of_low, -kOffset * of_high));
        }
        if constexpr (L.has_min && L.halves == 2) {
          const __m256 sum = _mm256_cvtepi32_ps(sum_halves(halves, of_low, of_high));
          const __m256 scale = _mm256_loadu_ps(reinterpret_cast<const float*>(x.scales + at));
          _mm256_store_ps(sums[h] + i, _mm256_mul_ps(sum, scale));
        }
      }
    }
  }
  // `at` counts rows of blocks from the strip's first on.
  __m256i start(size_t at, int h) const {
    if constexpr (kOffset == 0) return _mm256_setzero_si256();
    return _mm256_set1_epi32(starts[h][at]);
  }
  __m256 sum(size_t at, int h) const {
    if constexpr (L.halves == 1) return broadcast_float(whole_sums + at * 4);
    return _mm256_set1_ps(sums[h][at]);
  }

 private:
  // low * the lower half's sum + high * the upper one's, of 8 blocks.
  static __m256i sum_halves(__m256i halves, int low, int high) {
    return _mm256_madd_epi16(halves, _mm256_set1_epi32((low & 0xffff) | (high & 0xffff) << 16));
  }
};

template <BlockLayout L, template <BlockLayout> class Dot>
using SumsFor = GroupSums<L, Dot<L>::kSigned8 && L.low_bits == 8 ? 0 : L.offset>;

// The 16 rows of `out` that a panel and token own: whole vectors, or partial ones at the end.
struct OutRows {
  float* out;  // of token 0
  size_t ld_out;
  size_t n_rows;  // matrix rows left from there

  __m256 load(size_t t, size_t half) const {
    const float* p = out + t * ld_out + half * 8;
    if (n_rows >= half * 8 + 8) return _mm256_loadu_ps(p);
    float lanes[8] = {};
    for (size_t i = 0; half * 8 + i < n_rows; ++i) lanes[i] = p[i];
    return _mm256_loadu_ps(lanes);
  }
  void store(size_t t, size_t half, __m256 x) const {
    float* p = out + t * ld_out + half * 8;
    if (n_rows >= half * 8 + 8) return _mm256_storeu_ps(p, x);
    float lanes[8];
    _mm256_storeu_ps(lanes, x);
    for (size_t i = 0; half * 8 + i < n_rows; ++i) p[i] = lanes[i];
  }
};

// One block of weights, still packed or spelled out in L1: columns<i>(half), scale(h, half), min.
template <BlockLayout L, bool kSigned8>
struct PackedBlock {
  BlockAt<L> at;

  template <int i>
  __m256i columns(size_t half) const {
    return unpack_columns<L, kSigned8, i>(at.block, half);
  }
  __m256 scale(int h, size_t half) const { return load_scale<L>(at, h, half); }
  __m256 min(int h, size_t half) const { return load_min<L>(at, h, half); }
};

template <BlockLayout L>
struct PlainBlock {
  alignas(64) uint8_t quants[8][2][32];
  alignas(64) float scales[L.halves][2][8];
  alignas(64) float mins[L.has_min ? L.halves : 1][2][8];

  template <int i>
  __m256i columns(size_t half) const {
    return _mm256_load_si256(reinterpret_cast<const __m256i*>(quants[i][half]));
  }
  __m256 scale(int h, size_t half) const { return _mm256_load_ps(scales[h][half]); }
  __m256 min(int h, size_t half) const { return _mm256_load_ps(mins[h][half]); }

  template <bool kSigned8, int i = 0>
  void unpack(const BlockAt<L>& at) {
    for (size_t half = 0; half < 2; ++half) {
      _mm256_store_si256(reinterpret_cast<__m256i*>(quants[i][half]),
                         unpack_columns<L, kSigned8, i>(at.block, half));
      if constexpr (i < L.halves) {
        _mm256_store_ps(scales[i][half], load_scale<L>(at, i, half));
        if constexpr (L.has_min) _mm256_store_ps(mins[i][half], load_min<L>(at, i, half));
      }
    }
    if constexpr (i < 7) unpack<kSigned8, i + 1>(at);
  }
};

// Column groups i to kEnd of a block, for kHalves halves of the panel from `half` on.
template <BlockLayout L, int i, int kEnd, class Block, class Dot, size_t kRows, size_t kHalves>
inline void add_columns(const Block& block, size_t half, const uint8_t* quants, size_t width,
                        Dot (&dots)[kRows][kHalves]) {
  __m256i w[kHalves];
  for (size_t p = 0; p < kHalves; ++p) w[p] = block.template columns<i>(half + p);
  for (size_t t = 0; t < kRows; ++t) {
    const __m256i columns = broadcast_dword(quants + (i * width + t) * 4);
    for (size_t p = 0; p < kHalves; ++p) {
      dots[t][p].template add<i % (8 / L.halves)>(w[p], columns);
    }
  }
  if constexpr (i + 1 < kEnd) add_columns<L, i + 1, kEnd>(block, half, quants, width, dots);
}

// What one block adds to the sums of kRows tokens of a group (from token t0 on). `b` counts from
// the strip's first block.
template <BlockLayout L, template <BlockLayout> class Dot, int h, class Block, size_t kRows,
          size_t kHalves>
inline void add_block(const Block& block, size_t half, const ActivationGroup<const uint8_t>& x,
                      const SumsFor<L, Dot>& group, size_t width, size_t t0, size_t first, size_t b,
                      __m256 (&sums)[kRows][kHalves]) {
  constexpr int kGroups = 8 / L.halves;
  Dot<L> dots[kRows][kHalves];
  for (size_t t = 0; t < kRows; ++t) {
    for (size_t p = 0; p < kHalves; ++p) dots[t][p].begin(group.start(b * width + t0 + t, h));
  }
  const uint8_t* quants = x.quants + ((first + b) * 8 * width + t0) * 4;
  add_columns<L, h * kGroups, (h + 1) * kGroups>(block, half, quants, width, dots);
  __m256 scale[kHalves];
  for (size_t p = 0; p < kHalves; ++p) scale[p] = block.scale(h, half + p);
  for (size_t t = 0; t < kRows; ++t) {
    const __m256 x_scale = broadcast_float(x.scales + ((first + b) * width + t0 + t) * 4);
    for (size_t p = 0; p < kHalves; ++p) {
      const __m256 dot = _mm256_mul_ps(_mm256_cvtepi32_ps(dots[t][p].value()), x_scale);
      sums[t][p] = _mm256_fmadd_ps(dot, scale[p], sums[t][p]);
    }
  }
  if constexpr (L.has_min) {
    for (size_t p = 0; p < kHalves; ++p) scale[p] = block.min(h, half + p);
    for (size_t t = 0; t < kRows; ++t) {
      const __m256 x_sum = group.sum(b * width + t0 + t, h);
      for (size_t p = 0; p < kHalves; ++p) {
        sums[t][p] = _mm256_fmadd_ps(x_sum, scale[p], sums[t][p]);
      }
    }
  }
  if constexpr (h + 1 < L.halves) {
    add_block<L, Dot, h + 1>(block, half, x, group, width, t0, first, b, sums);
  }
}

// A group of few tokens against one panel, weights unpacked in registers: bound by memory.
template <BlockLayout L, template <BlockLayout> class Dot, size_t kRows>
void few_rows(const LinearArgs& a, const ActivationGroup<const uint8_t>& x, size_t panel,
              const OutRows& out) {
  constexpr size_t kPrefetch = 4096;
  const size_t n_blocks = a.k / kActBlock;
  __m256 sums[2][kRows][1];
  for (size_t t = 0; t < kRows; ++t) {
    for (size_t half = 0; half < 2; ++half) {
      sums[half][t][0] = a.accumulate ? out.load(t, half) : _mm256_setzero_ps();
    }
  }
  SumsFor<L, Dot> group;
  for (size_t first = 0; first < n_blocks; first += kStripBlocks) {
    const size_t n = n_blocks - first < kStripBlocks ? n_blocks - first : kStripBlocks;
    group.prepare(x, first, n);
    for (size_t b = 0; b < n; ++b) {
      const PackedBlock<L, Dot<L>::kSigned8> block{{a.weight + panel * a.panel_bytes, first + b}};
      for (size_t i = 0; i < L.block_bytes(); i += 64) {
        _mm_prefetch(reinterpret_cast<const char*>(block.at.block + kPrefetch + i), _MM_HINT_T0);
      }
      add_block<L, Dot, 0>(block, 0, x, group, kRows, 0, first, b, sums[0]);
      add_block<L, Dot, 0>(block, 1, x, group, kRows, 0, first, b, sums[1]);
    }
  }
  for (size_t t = 0; t < kRows; ++t) {
    for (size_t half = 0; half < 2; ++half) out.store(t, half, sums[half][t][0]);
  }
}

// kRows tokens of a group from token t0 on, against the 16 rows of a strip.
template <BlockLayout L, template <BlockLayout> class Dot, size_t kRows>
void tile(const PlainBlock<L>* strip, const ActivationGroup<const uint8_t>& x,
          const SumsFor<L, Dot>& group, size_t t0, size_t first, size_t n, bool add,
          const OutRows& out) {
  __m256 sums[kRows][2];
  for (size_t t = 0; t < kRows; ++t) {
    for (size_t p = 0; p < 2; ++p) sums[t][p] = add ? out.load(t0 + t, p) : _mm256_setzero_ps();
  }
  for (size_t b = 0; b < n; ++b) {
    add_block<L, Dot, 0>(strip[b], 0, x, group, x.width, t0, first, b, sums);
  }
  for (size_t t = 0; t < kRows; ++t) {
    for (size_t p = 0; p < 2; ++p) out.store(t0 + t, p, sums[t][p]);
  }
}

// A strip of columns of one panel is spelled out in L1 once and used by all tokens.
template <BlockLayout L, template <BlockLayout> class Dot>
void many_rows(const LinearArgs& a, size_t panel, OutRows out) {
  PlainBlock<L> strip[kStripBlocks];
  SumsFor<L, Dot> group;
  const size_t n_blocks = a.k / kActBlock;
  float* const first_out = out.out;
  for (size_t first = 0; first < n_blocks; first += kStripBlocks) {
    const size_t n = n_blocks - first < kStripBlocks ? n_blocks - first : kStripBlocks;
    const bool add = a.accumulate || first > 0;
    for (size_t b = 0; b < n; ++b) {
      const BlockAt<L> at(a.weight + panel * a.panel_bytes, first + b);
      strip[b].template unpack<Dot<L>::kSigned8>(at);
    }
    for (size_t row = 0; row < a.n_rows; row += kActRowGroup) {
      const auto x = activation_group(static_cast<const uint8_t*>(a.x), a.n_rows, a.k, row);
      out.out = first_out + row * a.ld_out;
      group.prepare(x, first, n);
      size_t t = 0;
      for (; t + 3 <= x.width; t += 3) tile<L, Dot, 3>(strip, x, group, t, first, n, add, out);
      for (; t < x.width; ++t) tile<L, Dot, 1>(strip, x, group, t, first, n, add, out);
    }
  }
}

// Up to here unpacking in registers costs less than the way through a strip.
constexpr size_t kFewRows256 = 4;

template <BlockLayout L, template <BlockLayout> class Dot>
void linear_block_256(const LinearArgs& a) {
  for (size_t panel = a.panel_begin; panel < a.panel_end; ++panel) {
    const size_t row = panel * kPanelRows;
    const OutRows out{a.out + (row - a.row_base), a.ld_out, a.n_out - row};
    if (a.n_rows > kFewRows256) {
      many_rows<L, Dot>(a, panel, out);
      continue;
    }
    const auto x = activation_group(static_cast<const uint8_t*>(a.x), a.n_rows, a.k, 0);
    switch (x.width) {
      case 1: few_rows<L, Dot, 1>(a, x, panel, out); break;
      case 2: few_rows<L, Dot, 2>(a, x, panel, out); break;
      case 3: few_rows<L, Dot, 3>(a, x, panel, out); break;
      default: few_rows<L, Dot, 4>(a, x, panel, out); break;
    }
  }
}

}  // namespace
}  // namespace maru::kernels
