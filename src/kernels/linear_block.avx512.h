// Products with quantised weights by vpdpbusd: 16 rows x 4 columns of weights against 4 activations
// of one token, broadcast. Layouts: docs/formats/packed-weights.md.
//
// Per block of 32 and token: sum += (scale_x * dot) * scale_w (+ min_w * scale_x sum_x), in the
// same order in all functions here, so that a row's result does not depend on the rows beside it.
#pragma once

#include <immintrin.h>

#include "kernels/activations.h"
#include "kernels/block_at.h"
#include "kernels/block_layout.h"
#include "kernels/kernel_api.h"

namespace maru::kernels {
namespace {

inline __m512i load_bytes(const uint8_t* p) { return _mm512_loadu_si512(p); }

inline __m512 broadcast_float(const uint8_t* p) {
  float x;
  __builtin_memcpy(&x, p, sizeof x);
  return _mm512_set1_ps(x);
}
inline __m512i broadcast_dword(const uint8_t* p) {
  int32_t x;
  __builtin_memcpy(&x, p, sizeof x);
  return _mm512_set1_epi32(x);
}

// Shift within 16-bit lanes, to the left if positive. Bits that cross a byte are masked by the
// caller.
template <int kLeft>
inline __m512i shift_bits(__m512i x) {
  if constexpr (kLeft > 0) return _mm512_slli_epi16(x, kLeft);
  if constexpr (kLeft < 0) return _mm512_srli_epi16(x, static_cast<unsigned>(-kLeft));
  return x;
}

// Column group i (4 columns of 16 rows) of a block as bytes.
template <BlockLayout L, int i>
inline __m512i unpack_columns(const uint8_t* block) {
  constexpr int kVector = i % L.low_bits, kSlot = i / L.low_bits;
  __m512i q = load_bytes(block + kVector * 64);
  if constexpr (L.low_bits < 8) {
    q = _mm512_and_si512(shift_bits<-kSlot * L.low_bits>(q),
                         _mm512_set1_epi8((1 << L.low_bits) - 1));
  }
  if constexpr (L.high_bits > 0) {
    constexpr int kHighVector = i % L.high_bits, kHighSlot = i / L.high_bits;
    constexpr int kMask = ((1 << L.high_bits) - 1) << L.low_bits;
    const __m512i high = load_bytes(block + L.low_bytes() + kHighVector * 64);
    // q | (shifted & mask)
    q = _mm512_ternarylogic_epi32(q, shift_bits<L.low_bits - kHighSlot * L.high_bits>(high),
                                  _mm512_set1_epi8(static_cast<char>(kMask)), 0xf8);
  }
  return q;
}

template <BlockLayout L>
inline void unpack_block(const uint8_t* block, __m512i (&w)[8]) {
  w[0] = unpack_columns<L, 0>(block);
  w[1] = unpack_columns<L, 1>(block);
  w[2] = unpack_columns<L, 2>(block);
  w[3] = unpack_columns<L, 3>(block);
  w[4] = unpack_columns<L, 4>(block);
  w[5] = unpack_columns<L, 5>(block);
  w[6] = unpack_columns<L, 6>(block);
  w[7] = unpack_columns<L, 7>(block);
}

inline __m512 load_halves(const uint8_t* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
inline __m512i load_int8(const uint8_t* p) {
  return _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}

template <BlockLayout L>
inline __m512 load_scale(const BlockAt<L>& at, int h) {
  const uint8_t* scales = at.block + L.quant_bytes();
  if constexpr (!L.is_super) return load_halves(scales);
  __m512i sc = load_int8(scales + h * 16);
  if constexpr (L.nibble_scales) sc = _mm512_and_si512(sc, _mm512_set1_epi32(15));
  return _mm512_mul_ps(load_halves(at.header), _mm512_cvtepi32_ps(sc));
}

template <BlockLayout L>
inline __m512 load_min(const BlockAt<L>& at, int h) {
  const uint8_t* scales = at.block + L.quant_bytes();
  if constexpr (!L.is_super) return load_halves(scales + 32);
  __m512i mn;
  if constexpr (L.nibble_scales) {
    mn = _mm512_and_si512(_mm512_srli_epi32(load_int8(scales + h * 16), 4), _mm512_set1_epi32(15));
  } else {
    mn = load_int8(scales + (L.halves + h) * 16);
  }
  return _mm512_mul_ps(load_halves(at.header + 32),
                       _mm512_cvtepi32_ps(_mm512_sub_epi32(_mm512_setzero_si512(), mn)));
}

// Blocks that are worked on at a time.
constexpr size_t kStripBlocks = 24;

// What depends on a group's activations alone, for the blocks of a strip, 16 of them computed at
// once: what the integer products start from and the sums that minima are multiplied with.
template <BlockLayout L, size_t kRows>
struct GroupSums {
  static constexpr size_t kLength = (kStripBlocks * kRows + 15) / 16 * 16;
  alignas(64) int32_t starts[L.halves][L.offset == 0 ? 16 : kLength];           // -offset * sum
  alignas(64) float sums[L.halves][L.has_min && L.halves == 2 ? kLength : 16];  // scale * sum
  const uint8_t* whole_sums;

  void prepare(const ActivationGroup<const uint8_t>& x, size_t first, size_t n) {
    whole_sums = x.sums + first * kRows * 4;
    for (size_t i = 0; i < n * kRows; i += 16) {  // may read into the plane behind
      const size_t at = (first * kRows + i) * 4;
      const __m512i halves = load_bytes(x.half_sums + at);
      for (int h = 0; h < L.halves; ++h) {
        const int of_low = h == 0, of_high = L.halves == 1 || h == 1;
        if constexpr (L.offset != 0) {
          const int low = -L.offset * of_low, high = -L.offset * of_high;
          _mm512_store_si512(starts[h] + i, sum_halves(halves, low, high));
        }
        if constexpr (L.has_min && L.halves == 2) {
          const __m512 sum = _mm512_cvtepi32_ps(sum_halves(halves, of_low, of_high));
          _mm512_store_ps(sums[h] + i, _mm512_mul_ps(sum, _mm512_loadu_ps(x.scales + at)));
        }
      }
    }
  }
  // `at` counts rows of blocks from the strip's first on.
  __m512i start(size_t at, int h) const {
    if constexpr (L.offset == 0) return _mm512_setzero_si512();
    return _mm512_set1_epi32(starts[h][at]);
  }
  __m512 sum(size_t at, int h) const {
    if constexpr (L.halves == 1) return broadcast_float(whole_sums + at * 4);
    return _mm512_set1_ps(sums[h][at]);
  }

 private:
  // low * the lower half's sum + high * the upper one's, of 16 blocks.
  static __m512i sum_halves(__m512i halves, int low, int high) {
    return _mm512_dpwssd_epi32(_mm512_setzero_si512(), halves,
                               _mm512_set1_epi32((low & 0xffff) | (high & 0xffff) << 16));
  }
};

// The part of `out` that one panel and token owns, with its tail masked.
struct OutPanels {
  float* out;  // of token 0, first panel's first row
  size_t ld_out;
  size_t n_rows;  // matrix rows left from there

  __mmask16 mask(size_t p) const {
    const size_t rest = n_rows - p * kPanelRows;
    return static_cast<__mmask16>(rest >= kPanelRows ? 0xffffu : (1u << rest) - 1);
  }
  __m512 load(size_t t, size_t p) const {
    return _mm512_maskz_loadu_ps(mask(p), out + t * ld_out + p * kPanelRows);
  }
  void store(size_t t, size_t p, __m512 x) const {
    _mm512_mask_storeu_ps(out + t * ld_out + p * kPanelRows, mask(p), x);
  }
};

inline OutPanels out_panels(const LinearArgs& a, size_t panel) {
  const size_t row = panel * kPanelRows;
  return {a.out + (row - a.row_base), a.ld_out, a.n_out - row};
}

// The part of few_rows that scale h of a block covers. A template argument, so that w is indexed by
// constants and stays in registers.
template <BlockLayout L, size_t kRows, int h>
inline void add_few_rows(const BlockAt<L>& block, const __m512i (&w)[8],
                         const ActivationGroup<const uint8_t>& x, const GroupSums<L, kRows>& group,
                         size_t first, size_t b, __m512 (&sums)[kRows]) {
  constexpr size_t kGroups = 8 / L.halves, kFirst = h * kGroups;
  const __m512 scale = load_scale<L>(block, h);
  const __m512 min = L.has_min ? load_min<L>(block, h) : scale;
  for (size_t t = 0; t < kRows; ++t) {
    const size_t row = (first + b) * kRows + t, in_strip = b * kRows + t;
    __m512i even = group.start(in_strip, h), odd = _mm512_setzero_si512();
    for (size_t i = kFirst; i < kFirst + kGroups; i += 2) {
      const uint8_t* quants = x.quants + (((first + b) * 8 + i) * kRows + t) * 4;
      even = _mm512_dpbusd_epi32(even, w[i], broadcast_dword(quants));
      odd = _mm512_dpbusd_epi32(odd, w[i + 1], broadcast_dword(quants + kRows * 4));
    }
    const __m512 dot = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_add_epi32(even, odd)),
                                     broadcast_float(x.scales + row * 4));
    sums[t] = _mm512_fmadd_ps(dot, scale, sums[t]);
    if constexpr (L.has_min) sums[t] = _mm512_fmadd_ps(group.sum(in_strip, h), min, sums[t]);
  }
}

// A group of few tokens against one panel, weights unpacked in registers: bound by memory. One
// panel at a time, because a single stream of loads is what the prefetchers follow best: on Zen 5
// one core reads 32 GB/s this way and 20 from four panels at once.
template <BlockLayout L, size_t kRows>
void few_rows(const LinearArgs& a, const ActivationGroup<const uint8_t>& x, size_t panel,
              const OutPanels& out) {
  constexpr size_t kPrefetch = 4096;
  const uint8_t* weight = a.weight + panel * a.panel_bytes;
  const size_t n_blocks = a.k / kActBlock;
  __m512 sums[kRows];
  for (size_t t = 0; t < kRows; ++t) {
    sums[t] = a.accumulate ? out.load(t, 0) : _mm512_setzero_ps();
  }
  GroupSums<L, kRows> group;
  for (size_t first = 0; first < n_blocks; first += kStripBlocks) {
    const size_t n = n_blocks - first < kStripBlocks ? n_blocks - first : kStripBlocks;
    group.prepare(x, first, n);
    for (size_t b = 0; b < n; ++b) {
      const BlockAt<L> at(weight, first + b);
      for (size_t i = 0; i < L.block_bytes(); i += 64) {
        _mm_prefetch(reinterpret_cast<const char*>(at.block + kPrefetch + i), _MM_HINT_T0);
      }
      __m512i w[8];
      unpack_block<L>(at.block, w);
      add_few_rows<L, kRows, 0>(at, w, x, group, first, b, sums);
      if constexpr (L.halves == 2) add_few_rows<L, kRows, 1>(at, w, x, group, first, b, sums);
    }
  }
  for (size_t t = 0; t < kRows; ++t) out.store(t, 0, sums[t]);
}

template <BlockLayout L>
void few_rows_of(const LinearArgs& a, size_t panel) {
  OutPanels out = out_panels(a, panel);
  for (size_t row = 0; row < a.n_rows; row += kActRowGroup) {
    const auto x = activation_group(static_cast<const uint8_t*>(a.x), a.n_rows, a.k, row);
    static_assert(kActRowGroup == 6);
    switch (x.width) {
      case 1: few_rows<L, 1>(a, x, panel, out); break;
      case 2: few_rows<L, 2>(a, x, panel, out); break;
      case 3: few_rows<L, 3>(a, x, panel, out); break;
      case 4: few_rows<L, 4>(a, x, panel, out); break;
      case 5: few_rows<L, 5>(a, x, panel, out); break;
      default: few_rows<L, 6>(a, x, panel, out); break;
    }
    out.out += kActRowGroup * a.ld_out;
  }
}

// Many rows: a strip of two panels is unpacked once into L1 and used by all tokens.
template <BlockLayout L>
struct Strip {
  alignas(64) uint8_t quants[kStripBlocks][8][2][64];
  alignas(64) float scales[kStripBlocks][L.halves][2][16];
  alignas(64) float mins[L.has_min ? kStripBlocks : 1][L.halves][2][16];
};

template <BlockLayout L>
void unpack_strip(const uint8_t* panel, size_t p, size_t first, size_t n, Strip<L>& strip) {
  for (size_t b = 0; b < n; ++b) {
    const BlockAt<L> at(panel, first + b);
    __m512i w[8];
    unpack_block<L>(at.block, w);
    for (size_t i = 0; i < 8; ++i) _mm512_store_si512(strip.quants[b][i][p], w[i]);
    for (int h = 0; h < L.halves; ++h) {
      _mm512_store_ps(strip.scales[b][h][p], load_scale<L>(at, h));
      if constexpr (L.has_min) _mm512_store_ps(strip.mins[b][h][p], load_min<L>(at, h));
    }
  }
}

// The part of tile that scale h of block b covers. A template argument, so that the loops have
// constant bounds and unroll.
template <BlockLayout L, size_t kRows, size_t kPanels, int h>
inline void add_tile(const Strip<L>& strip, const ActivationGroup<const uint8_t>& x,
                     const GroupSums<L, kRows>& group, size_t first, size_t b,
                     __m512 (&sums)[kRows][kPanels]) {
  constexpr size_t kGroups = 8 / L.halves, kFirst = h * kGroups;
  const size_t at = (first + b) * kRows;
  const uint8_t* quants = x.quants + at * 32;
  __m512i dots[kRows][kPanels];
  for (size_t t = 0; t < kRows; ++t) {
    for (size_t p = 0; p < kPanels; ++p) dots[t][p] = group.start(b * kRows + t, h);
  }
  for (size_t i = kFirst; i < kFirst + kGroups; ++i) {
    __m512i w[kPanels];
    for (size_t p = 0; p < kPanels; ++p) w[p] = load_bytes(strip.quants[b][i][p]);
    for (size_t t = 0; t < kRows; ++t) {
      const __m512i columns = broadcast_dword(quants + (i * kRows + t) * 4);
      for (size_t p = 0; p < kPanels; ++p) {
        dots[t][p] = _mm512_dpbusd_epi32(dots[t][p], w[p], columns);
      }
    }
  }
  for (size_t t = 0; t < kRows; ++t) {
    const __m512 x_scale = broadcast_float(x.scales + (at + t) * 4);
    for (size_t p = 0; p < kPanels; ++p) {
      const __m512 dot = _mm512_mul_ps(_mm512_cvtepi32_ps(dots[t][p]), x_scale);
      sums[t][p] = _mm512_fmadd_ps(dot, _mm512_load_ps(strip.scales[b][h][p]), sums[t][p]);
    }
    if constexpr (L.has_min) {
      const __m512 x_sum = group.sum(b * kRows + t, h);
      for (size_t p = 0; p < kPanels; ++p) {
        sums[t][p] = _mm512_fmadd_ps(x_sum, _mm512_load_ps(strip.mins[b][h][p]), sums[t][p]);
      }
    }
  }
}

// kRows tokens, which are one whole activation group, by kPanels panels.
template <BlockLayout L, size_t kRows, size_t kPanels>
void tile(const Strip<L>& strip, const ActivationGroup<const uint8_t>& x, size_t first, size_t n,
          bool add, const OutPanels& out) {
  __m512 sums[kRows][kPanels];
  for (size_t t = 0; t < kRows; ++t) {
    for (size_t p = 0; p < kPanels; ++p) {
      sums[t][p] = add ? out.load(t, p) : _mm512_setzero_ps();
    }
  }
  GroupSums<L, kRows> group;
  group.prepare(x, first, n);
  for (size_t b = 0; b < n; ++b) {
    add_tile<L, kRows, kPanels, 0>(strip, x, group, first, b, sums);
    if constexpr (L.halves == 2) add_tile<L, kRows, kPanels, 1>(strip, x, group, first, b, sums);
  }
  for (size_t t = 0; t < kRows; ++t) {
    for (size_t p = 0; p < kPanels; ++p) out.store(t, p, sums[t][p]);
  }
}

template <BlockLayout L, size_t kPanels>
void tile_of(const Strip<L>& strip, const ActivationGroup<const uint8_t>& x, size_t first, size_t n,
             bool add, const OutPanels& out) {
  static_assert(kActRowGroup == 6);
  switch (x.width) {
    case 1: return tile<L, 1, kPanels>(strip, x, first, n, add, out);
    case 2: return tile<L, 2, kPanels>(strip, x, first, n, add, out);
    case 3: return tile<L, 3, kPanels>(strip, x, first, n, add, out);
    case 4: return tile<L, 4, kPanels>(strip, x, first, n, add, out);
    case 5: return tile<L, 5, kPanels>(strip, x, first, n, add, out);
    default: return tile<L, 6, kPanels>(strip, x, first, n, add, out);
  }
}

template <BlockLayout L, size_t kPanels>
void many_rows(const LinearArgs& a, size_t panel) {
  Strip<L> strip;
  const size_t n_blocks = a.k / kActBlock;
  for (size_t first = 0; first < n_blocks; first += kStripBlocks) {
    const size_t n = n_blocks - first < kStripBlocks ? n_blocks - first : kStripBlocks;
    for (size_t p = 0; p < kPanels; ++p) {
      unpack_strip<L>(a.weight + (panel + p) * a.panel_bytes, p, first, n, strip);
    }
    OutPanels out = out_panels(a, panel);
    for (size_t row = 0; row < a.n_rows; row += kActRowGroup) {
      const auto x = activation_group(static_cast<const uint8_t*>(a.x), a.n_rows, a.k, row);
      tile_of<L, kPanels>(strip, x, first, n, a.accumulate || first > 0, out);
      out.out += kActRowGroup * a.ld_out;
    }
  }
}

// Up to here unpacking again for every group of tokens costs less than the way through a strip
// (measured on Zen 5 with Q4_1, Q6_K and Q8_0).
constexpr size_t kFewRows = 72;

template <BlockLayout L>
void linear_block(const LinearArgs& a) {
  size_t panel = a.panel_begin;
  if (a.n_rows <= kFewRows) {
    for (; panel < a.panel_end; ++panel) few_rows_of<L>(a, panel);
    return;
  }
  for (; panel + 2 <= a.panel_end; panel += 2) many_rows<L, 2>(a, panel);
  if (panel < a.panel_end) many_rows<L, 1>(a, panel);
}

}  // namespace
}  // namespace maru::kernels
