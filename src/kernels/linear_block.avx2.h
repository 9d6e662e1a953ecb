// Products with quantised weights by maddubs: 8 rows x 4 columns of weights against 4 activations
// of one token, broadcast; a panel is two such halves. Layouts: docs/formats/packed-weights.md.
//
// The 16-bit sums of pairs can be added up before they are widened as often as the weights' bits
// allow. 8-bit weights would overflow unsigned: they use |w| and the activations with w's sign.
// The order of float operations is the same for one row and many.
#pragma once

#include <immintrin.h>

#include "kernels/activations.h"
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

// Column group i (4 columns) of 8 rows, half 0 or 1 of the panel; 8-bit weights come out signed.
template <BlockLayout L, int i>
inline __m256i unpack_columns(const uint8_t* block, size_t half) {
  constexpr int kVector = i % L.low_bits, kSlot = i / L.low_bits;
  __m256i q = load_bytes(block + kVector * 64 + half * 32);
  if constexpr (L.low_bits < 8) {
    q = _mm256_and_si256(shift_bits<-kSlot * L.low_bits>(q),
                         _mm256_set1_epi8((1 << L.low_bits) - 1));
  } else {
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

// Where block b of a panel lies.
template <BlockLayout L>
struct BlockAt {
  const uint8_t* header;
  const uint8_t* block;

  BlockAt(const uint8_t* panel, size_t b) {
    constexpr size_t kBlocks = L.group_values() / 32;
    header = panel + b / kBlocks * L.group_bytes();
    block = header + L.header_bytes() + b % kBlocks * L.block_bytes();
  }
};

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

// factor * (the sum of the activations that scale h covers), from the pair of half sums.
template <BlockLayout L>
inline __m256i scaled_sum(const uint8_t* half_sums, int h, int factor) {
  const int low = h == 0 ? factor : 0, high = L.halves == 1 || h == 1 ? factor : 0;
  return _mm256_madd_epi16(broadcast_dword(half_sums),
                           _mm256_set1_epi32((low & 0xffff) | (high & 0xffff) << 16));
}

// What an integer dot product starts from: minus offset * sum of the activations.
template <BlockLayout L>
inline __m256i start_dot(const uint8_t* half_sums, int h) {
  if constexpr (L.offset == 0 || L.low_bits == 8) return _mm256_setzero_si256();
  return scaled_sum<L>(half_sums, h, -L.offset);
}

template <BlockLayout L>
inline __m256 activation_sum(const ActivationGroup<const uint8_t>& x, size_t at, int h) {
  if constexpr (L.halves == 1) return broadcast_float(x.sums + at * 4);
  return _mm256_mul_ps(_mm256_cvtepi32_ps(scaled_sum<L>(x.half_sums + at * 4, h, 1)),
                       broadcast_float(x.scales + at * 4));
}

// Pairs of products of 4 columns, 16 bits each. Activations lie in [-127, 127], so a pair is at
// most 2 * 127 * (2^bits - 1): 3810, 7874, 16002, or 32512 for 8 bits, where |w| is at most 128.
template <BlockLayout L>
inline __m256i multiply_pairs(__m256i w, __m256i x) {
  if constexpr (L.low_bits == 8)
    return _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w));
  return _mm256_maddubs_epi16(w, x);
}
constexpr int pairs_to_add(int bits) { return bits <= 4 ? 8 : bits == 5 ? 4 : bits == 6 ? 2 : 1; }

// Half a panel (8 rows) of a strip of columns, spelled out in L1 and used by all tokens.
constexpr size_t kStripBlocks = 24;

template <BlockLayout L>
struct Strip {
  alignas(64) uint8_t quants[kStripBlocks][8][2][32];
  alignas(64) float scales[kStripBlocks][L.halves][2][8];
  alignas(64) float mins[L.has_min ? kStripBlocks : 1][L.halves][2][8];
};

template <BlockLayout L, int i>
inline void store_columns(const uint8_t* block, uint8_t (&to)[8][2][32]) {
  for (size_t half = 0; half < 2; ++half) {
    _mm256_store_si256(reinterpret_cast<__m256i*>(to[i][half]), unpack_columns<L, i>(block, half));
  }
  if constexpr (i < 7) store_columns<L, i + 1>(block, to);
}

template <BlockLayout L>
void unpack_strip(const uint8_t* panel, size_t first, size_t n, Strip<L>& strip) {
  for (size_t b = 0; b < n; ++b) {
    const BlockAt<L> at(panel, first + b);
    store_columns<L, 0>(at.block, strip.quants[b]);
    for (int h = 0; h < L.halves; ++h) {
      for (size_t half = 0; half < 2; ++half) {
        _mm256_store_ps(strip.scales[b][h][half], load_scale<L>(at, h, half));
        if constexpr (L.has_min) _mm256_store_ps(strip.mins[b][h][half], load_min<L>(at, h, half));
      }
    }
  }
}

// Rows of the panel that `out` takes, as whole or partial vectors.
inline __m256 load_first(const float* p, size_t n) {
  if (n >= 8) return _mm256_loadu_ps(p);
  float lanes[8] = {};
  for (size_t i = 0; i < n; ++i) lanes[i] = p[i];
  return _mm256_loadu_ps(lanes);
}
inline void store_first(float* p, size_t n, __m256 x) {
  if (n >= 8) return _mm256_storeu_ps(p, x);
  float lanes[8];
  _mm256_storeu_ps(lanes, x);
  for (size_t i = 0; i < n; ++i) p[i] = lanes[i];
}

// kRows tokens of a group from token t0 on, against the 16 rows of a strip.
template <BlockLayout L, size_t kRows>
void tile(const Strip<L>& strip, const ActivationGroup<const uint8_t>& x, size_t t0, size_t first,
          size_t n, bool add, float* out, size_t ld_out, size_t n_out) {
  constexpr int kGroups = 8 / L.halves;
  constexpr int kPairs = pairs_to_add(L.low_bits + L.high_bits);
  constexpr int kAdd = kPairs < kGroups ? kPairs : kGroups;
  const size_t valid[2] = {n_out < 8 ? n_out : 8, n_out < 8 ? 0 : n_out - 8};
  __m256 sums[kRows][2];
  for (size_t t = 0; t < kRows; ++t) {
    for (size_t half = 0; half < 2; ++half) {
      sums[t][half] =
          add ? load_first(out + t * ld_out + half * 8, valid[half]) : _mm256_setzero_ps();
    }
  }
  for (size_t b = 0; b < n; ++b) {
    const size_t at = (first + b) * x.width + t0;
    for (int h = 0; h < L.halves; ++h) {
      __m256i dots[kRows][2];
      for (size_t t = 0; t < kRows; ++t) {
        dots[t][0] = dots[t][1] = start_dot<L>(x.half_sums + (at + t) * 4, h);
      }
      for (int i = h * kGroups; i < (h + 1) * kGroups; i += kAdd) {
        __m256i pairs[kRows][2];
        for (int j = 0; j < kAdd; ++j) {
          const uint8_t* quants =
              x.quants + (((first + b) * 8 + static_cast<size_t>(i + j)) * x.width + t0) * 4;
          for (size_t half = 0; half < 2; ++half) {
            const __m256i w = load_bytes(strip.quants[b][i + j][half]);
            for (size_t t = 0; t < kRows; ++t) {
              const __m256i product = multiply_pairs<L>(w, broadcast_dword(quants + t * 4));
              pairs[t][half] = j == 0 ? product : _mm256_add_epi16(pairs[t][half], product);
            }
          }
        }
        for (size_t t = 0; t < kRows; ++t) {
          for (size_t half = 0; half < 2; ++half) {
            dots[t][half] = _mm256_add_epi32(
                dots[t][half], _mm256_madd_epi16(pairs[t][half], _mm256_set1_epi16(1)));
          }
        }
      }
      for (size_t t = 0; t < kRows; ++t) {
        const __m256 x_scale = broadcast_float(x.scales + (at + t) * 4);
        for (size_t half = 0; half < 2; ++half) {
          const __m256 dot = _mm256_mul_ps(_mm256_cvtepi32_ps(dots[t][half]), x_scale);
          sums[t][half] =
              _mm256_fmadd_ps(dot, _mm256_load_ps(strip.scales[b][h][half]), sums[t][half]);
        }
        if constexpr (L.has_min) {
          const __m256 x_sum = activation_sum<L>(x, at + t, h);
          for (size_t half = 0; half < 2; ++half) {
            sums[t][half] =
                _mm256_fmadd_ps(x_sum, _mm256_load_ps(strip.mins[b][h][half]), sums[t][half]);
          }
        }
      }
    }
  }
  for (size_t t = 0; t < kRows; ++t) {
    for (size_t half = 0; half < 2; ++half) {
      store_first(out + t * ld_out + half * 8, valid[half], sums[t][half]);
    }
  }
}

template <BlockLayout L>
void linear_panel(const LinearArgs& a, size_t panel) {
  Strip<L> strip;
  const size_t n_blocks = a.k / kActBlock, first_row = panel * kPanelRows;
  const size_t n_out = a.n_out - first_row < kPanelRows ? a.n_out - first_row : kPanelRows;
  for (size_t first = 0; first < n_blocks; first += kStripBlocks) {
    const size_t n = n_blocks - first < kStripBlocks ? n_blocks - first : kStripBlocks;
    const bool add = a.accumulate || first > 0;
    unpack_strip<L>(a.weight + panel * a.panel_bytes, first, n, strip);
    for (size_t row = 0; row < a.n_rows; row += kActRowGroup) {
      const auto x = activation_group(static_cast<const uint8_t*>(a.x), a.n_rows, a.k, row);
      float* out = a.out + row * a.ld_out + (first_row - a.row_base);
      size_t t = 0;
      for (; t + 3 <= x.width; t += 3) {
        tile<L, 3>(strip, x, t, first, n, add, out + t * a.ld_out, a.ld_out, n_out);
      }
      for (; t < x.width; ++t) {
        tile<L, 1>(strip, x, t, first, n, add, out + t * a.ld_out, a.ld_out, n_out);
      }
    }
  }
}

template <BlockLayout L>
void linear_block(const LinearArgs& a) {
  for (size_t panel = a.panel_begin; panel < a.panel_end; ++panel) linear_panel<L>(a, panel);
}

}  // namespace
}  // namespace maru::kernels
