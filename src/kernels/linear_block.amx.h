// Products of many tokens with quantised weights by AMX: 16 tokens x 16 rows x the columns of one
// scale (32 or 16) in one tile instruction, rescaled by AVX-512. The float steps are those of
// linear_block.avx512.h in the same order, so that both give the same bits and a call may choose
// by its number of tokens. Tiles: any class with the members of HardwareTiles.
#pragma once

#include "kernels/amx_tile.h"
#include "kernels/linear_block.avx512.h"

namespace maru::kernels {
namespace {

// From here on tiles are used.
constexpr size_t kAmxMinRows = 16;
constexpr size_t kTileTokens = 16;
// Tokens that are made ready at a time: whole tiles and whole activation groups.
constexpr size_t kAmxTokens = 48;
static_assert(kAmxTokens % kTileTokens == 0 && kAmxTokens % kActRowGroup == 0);
// Panels that share the work of making them ready.
constexpr size_t kAmxPanels = 4;

// Bytes from one token to the next in a strip.
constexpr size_t kTokenBytes = kStripBlocks * kActBlock;

// A strip of columns of some tokens: rows of bytes instead of interleaved groups. Tokens that are
// missing at the end are zeros.
template <BlockLayout L>
struct TokenStrip {
  static constexpr size_t kHalfSums = L.has_min && L.halves == 2 ? 2 : 1;
  alignas(64) uint8_t quants[kAmxTokens][kTokenBytes];
  // Two more, because groups of 6 are written 8 at a time.
  alignas(64) float scales[kStripBlocks][kAmxTokens + 2];
  alignas(64) float sums[L.has_min ? kStripBlocks : 1][kHalfSums][kAmxTokens + 2];  // scale * sum
};

// The order of dwords that makes two tokens' rows of 8 from a group's block, [8, 6] dwords in three
// registers: first from two registers, then what the third one holds.
struct GroupOrder {
  alignas(64) int32_t from_two[3][16];
  alignas(64) int32_t from_third[3][16];
  uint16_t third[3];
};

consteval GroupOrder group_order() {
  GroupOrder order{};
  for (int pair = 0; pair < 3; ++pair) {
    for (int i = 0; i < 16; ++i) {
      const int token = pair * 2 + i / 8, dword = i % 8 * 6 + token;
      order.from_two[pair][i] = dword % 32;
      order.from_third[pair][i] = dword % 16;
      if (dword >= 32) order.third[pair] = static_cast<uint16_t>(order.third[pair] | 1 << i);
    }
  }
  return order;
}

// Quants of block b of a whole group.
inline void order_group(const uint8_t* quants, uint8_t* to) {
  static constexpr GroupOrder kOrder = group_order();
  const __m512i z0 = load_bytes(quants), z1 = load_bytes(quants + 64),
                z2 = load_bytes(quants + 128);
  for (size_t pair = 0; pair < 3; ++pair) {
    const __m512i two = _mm512_permutex2var_epi32(z0, _mm512_load_si512(kOrder.from_two[pair]), z1);
    const __m512i rows = _mm512_mask_permutexvar_epi32(
        two, kOrder.third[pair], _mm512_load_si512(kOrder.from_third[pair]), z2);
    auto* low = reinterpret_cast<__m256i*>(to + pair * 2 * kTokenBytes);
    auto* high = reinterpret_cast<__m256i*>(to + (pair * 2 + 1) * kTokenBytes);
    _mm256_store_si256(low, _mm512_castsi512_si256(rows));
    _mm256_store_si256(high, _mm512_extracti64x4_epi64(rows, 1));
  }
}

// Fewer than 6 tokens: the last group.
inline void order_narrow_group(const uint8_t* quants, size_t width, uint8_t* to) {
  for (size_t t = 0; t < width; ++t) {
    for (size_t i = 0; i < 8; ++i) {
      __builtin_memcpy(to + t * kTokenBytes + i * 4, quants + (i * width + t) * 4, 4);
    }
  }
}

// One group of tokens, at place `t` of the strip.
template <BlockLayout L>
void order_tokens(const ActivationGroup<const uint8_t>& x, size_t first, size_t n, size_t t,
                  TokenStrip<L>& strip) {
  const auto mask = static_cast<__mmask8>((1u << x.width) - 1);
  for (size_t b = 0; b < n; ++b) {
    const size_t at = (first + b) * x.width;
    uint8_t* to = strip.quants[t] + b * kActBlock;
    if (x.width == kActRowGroup) {
      order_group(x.quants + at * kActBlock, to);
    } else {
      order_narrow_group(x.quants + at * kActBlock, x.width, to);
    }
    const __m256 scales = _mm256_maskz_loadu_ps(mask, x.scales + at * 4);
    _mm256_storeu_ps(strip.scales[b] + t, scales);
    if constexpr (L.has_min && L.halves == 1) {
      _mm256_storeu_ps(strip.sums[b][0] + t, _mm256_maskz_loadu_ps(mask, x.sums + at * 4));
    }
    if constexpr (L.has_min && L.halves == 2) {
      const __m256i halves = _mm256_maskz_loadu_epi32(mask, x.half_sums + at * 4);
      const __m256i low = _mm256_srai_epi32(_mm256_slli_epi32(halves, 16), 16);
      const __m256i high = _mm256_srai_epi32(halves, 16);
      _mm256_storeu_ps(strip.sums[b][0] + t, _mm256_mul_ps(_mm256_cvtepi32_ps(low), scales));
      _mm256_storeu_ps(strip.sums[b][1] + t, _mm256_mul_ps(_mm256_cvtepi32_ps(high), scales));
    }
  }
}

// A strip of columns of one panel, spelled out as signed bytes.
template <BlockLayout L>
struct PanelStrip {
  alignas(64) uint8_t quants[kStripBlocks][8][64];
  alignas(64) float scales[kStripBlocks][L.halves][16];
  alignas(64) float mins[L.has_min ? kStripBlocks : 1][L.halves][16];
};

template <BlockLayout L>
void unpack_signed(const uint8_t* panel, size_t first, size_t n, PanelStrip<L>& strip) {
  for (size_t b = 0; b < n; ++b) {
    const BlockAt<L> at(panel, first + b);
    __m512i w[8];
    unpack_block<L>(at.block, w);
    for (size_t i = 0; i < 8; ++i) {
      const __m512i offset = _mm512_set1_epi8(static_cast<char>(L.offset));
      _mm512_store_si512(strip.quants[b][i], _mm512_sub_epi8(w[i], offset));
    }
    for (int h = 0; h < L.halves; ++h) {
      _mm512_store_ps(strip.scales[b][h], load_scale<L>(at, h));
      if constexpr (L.has_min) _mm512_store_ps(strip.mins[b][h], load_min<L>(at, h));
    }
  }
}

// Tiles 0 to 3 hold sums, by parity of the block and scale; 4 and 5 tokens, 6 and 7 weights, by
// parity: one block's products run while the one before is rescaled.
template <BlockLayout L>
constexpr TileConfig tile_config() {
  constexpr int kColumns = static_cast<int>(kActBlock) / L.halves;
  TileConfig config;
  for (int i = 0; i < 4; ++i) config.set(i, kTileTokens, 64);
  for (int i = 4; i < 6; ++i) config.set(i, kTileTokens, kColumns);
  for (int i = 6; i < 8; ++i) config.set(i, kColumns / 4, 64);
  return config;
}

// The dots of one block: 16 tokens (from `tokens` on) x 16 rows for each of its kHalves scales.
template <class Tiles, int kHalves, int kParity, int h = 0>
inline void multiply_block(Tiles& tiles, const uint8_t* tokens, const uint8_t* weights,
                           int32_t (*dots)[kTileTokens][16]) {
  constexpr int kSums = kParity * 2 + h, kTokens = 4 + kParity, kWeights = 6 + kParity;
  constexpr size_t kColumns = kActBlock / kHalves;
  tiles.template zero<kSums>();
  tiles.template load<kTokens>(tokens + h * kColumns, kTokenBytes);
  tiles.template load<kWeights>(weights + h * kColumns * kPanelRows, 64);
  tiles.template dot<kSums, kTokens, kWeights>();
  tiles.template store<kSums>(dots[h], 64);
  if constexpr (h + 1 < kHalves) {
    multiply_block<Tiles, kHalves, kParity, h + 1>(tiles, tokens, weights, dots);
  }
}

// The steps of add_tile (linear_block.avx512.h) for 16 tokens.
template <BlockLayout L>
inline void rescale_block(const TokenStrip<L>& tokens, size_t t0, const PanelStrip<L>& panel,
                          size_t b, const int32_t (&dots)[L.halves][kTileTokens][16],
                          __m512 (&sums)[kTileTokens]) {
  for (int h = 0; h < L.halves; ++h) {
    const __m512 scale = _mm512_load_ps(panel.scales[b][h]);
    const __m512 min = L.has_min ? _mm512_load_ps(panel.mins[b][h]) : scale;
    for (size_t t = 0; t < kTileTokens; ++t) {
      const __m512 dot = _mm512_cvtepi32_ps(_mm512_load_si512(dots[h][t]));
      const __m512 x_scale = _mm512_set1_ps(tokens.scales[b][t0 + t]);
      sums[t] = _mm512_fmadd_ps(_mm512_mul_ps(dot, x_scale), scale, sums[t]);
      if constexpr (L.has_min) {
        const __m512 x_sum = _mm512_set1_ps(tokens.sums[b][L.halves == 2 ? h : 0][t0 + t]);
        sums[t] = _mm512_fmadd_ps(x_sum, min, sums[t]);
      }
    }
  }
}

// 16 tokens of a strip, of which the first n_tokens are stored, by one panel.
template <class Tiles, BlockLayout L>
void amx_tile(Tiles& tiles, const TokenStrip<L>& tokens, size_t t0, size_t n_tokens,
              const PanelStrip<L>& panel, size_t n, bool add, const OutPanels& out) {
  alignas(64) int32_t dots[2][L.halves][kTileTokens][16];
  __m512 sums[kTileTokens];
  for (size_t t = 0; t < kTileTokens; ++t) {
    sums[t] = add && t < n_tokens ? out.load(t, 0) : _mm512_setzero_ps();
  }
  const uint8_t* quants = tokens.quants[t0];
  multiply_block<Tiles, L.halves, 0>(tiles, quants, panel.quants[0][0], dots[0]);
  for (size_t b = 0; b < n; ++b) {
    const uint8_t* next = quants + (b + 1) * kActBlock;
    if (b + 1 < n && b % 2 == 0) {
      multiply_block<Tiles, L.halves, 1>(tiles, next, panel.quants[b + 1][0], dots[1]);
    } else if (b + 1 < n) {
      multiply_block<Tiles, L.halves, 0>(tiles, next, panel.quants[b + 1][0], dots[0]);
    }
    rescale_block<L>(tokens, t0, panel, b, dots[b % 2], sums);
  }
  for (size_t t = 0; t < kTileTokens; ++t) {
    if (t < n_tokens) out.store(t, 0, sums[t]);
  }
}

// All tokens by panels [panel, panel + n_panels).
template <class Tiles, BlockLayout L>
void amx_panels(Tiles& tiles, const LinearArgs& a, size_t panel, size_t n_panels) {
  PanelStrip<L> panels[kAmxPanels];
  TokenStrip<L> tokens;
  const size_t n_blocks = a.k / kActBlock;
  for (size_t first = 0; first < n_blocks; first += kStripBlocks) {
    const size_t n = n_blocks - first < kStripBlocks ? n_blocks - first : kStripBlocks;
    for (size_t p = 0; p < n_panels; ++p) {
      unpack_signed<L>(a.weight + (panel + p) * a.panel_bytes, first, n, panels[p]);
    }
    for (size_t row = 0; row < a.n_rows; row += kAmxTokens) {
      const size_t n_tokens = a.n_rows - row < kAmxTokens ? a.n_rows - row : kAmxTokens;
      if (n_tokens < kAmxTokens) __builtin_memset(&tokens, 0, sizeof tokens);
      for (size_t t = 0; t < n_tokens; t += kActRowGroup) {
        const auto* x = static_cast<const uint8_t*>(a.x);
        order_tokens<L>(activation_group(x, a.n_rows, a.k, row + t), first, n, t, tokens);
      }
      for (size_t p = 0; p < n_panels; ++p) {
        OutPanels out = out_panels(a, panel + p);
        out.out += row * a.ld_out;
        for (size_t t = 0; t < n_tokens; t += kTileTokens) {
          const size_t here = n_tokens - t < kTileTokens ? n_tokens - t : kTileTokens;
          amx_tile<Tiles, L>(tiles, tokens, t, here, panels[p], n, a.accumulate || first > 0, out);
          out.out += kTileTokens * a.ld_out;
        }
      }
    }
  }
}

// The configuration is loaded and released in each call: some 200 cycles against at least tens of
// thousands, and no state that a thread must keep.
template <class Tiles, BlockLayout L>
void linear_block_amx(const LinearArgs& a) {
  if (a.n_rows < kAmxMinRows) return linear_block<L>(a);
  Tiles tiles;
  tiles.configure(tile_config<L>());
  for (size_t panel = a.panel_begin; panel < a.panel_end; panel += kAmxPanels) {
    const size_t rest = a.panel_end - panel;
    amx_panels<Tiles, L>(tiles, a, panel, rest < kAmxPanels ? rest : kAmxPanels);
  }
  tiles.release();
}

}  // namespace
}  // namespace maru::kernels
