// Products of many rows with quantised weights by smmla: 2 rows x 8 columns of weights against 8
// columns of 2 tokens, which gives a square of 4 dot products. The float steps are those of
// linear_block.neon.h, in squares; it also takes what is not a whole group of tokens.
#pragma once

#include "kernels/linear_block.neon.h"

namespace maru::kernels {
namespace {

// Twice the 8 bytes at p: [x0, x1, x0, x1] for what the activations keep per token.
inline uint8x16_t load_pair(const uint8_t* p) {
  const uint8x8_t pair = vld1_u8(p);
  return vcombine_u8(pair, pair);
}

// The integer sums of the activations of two tokens that scale h covers, twice.
template <BlockLayout L>
inline int32x4_t activation_counts(const uint8_t* half_sums, size_t h) {
  const int16x8_t halves = vreinterpretq_s16_u8(load_pair(half_sums));
  if constexpr (L.halves == 1) return vpaddlq_s16(halves);
  const int32x4_t pairs = vreinterpretq_s32_s16(halves);
  return vshrq_n_s32(h == 0 ? vshlq_n_s32(pairs, 16) : pairs, 16);
}

// scale_x * sum of those activations; `at` is where the first token's numbers are.
template <BlockLayout L>
inline float32x4_t activation_sums(const ActivationGroup<const uint8_t>& x, size_t at, size_t h,
                                   float32x4_t x_scale) {
  if constexpr (L.halves == 1) return vreinterpretq_f32_u8(load_pair(x.sums + at));
  return vmulq_f32(vcvtq_f32_s32(activation_counts<L>(x.half_sums + at, h)), x_scale);
}

// 8 columns of 2 tokens: column groups 2 * i and 2 * i + 1 of tokens 2 * pair and 2 * pair + 1.
inline int8x16_t load_tokens(const uint8_t* quants, size_t i, size_t pair) {
  const uint8_t* p = quants + i * 2 * kActRowGroup * 4 + pair * 8;
  const uint8x8_t none = vdup_n_u8(0);
  const auto even = vreinterpretq_u32_u8(vcombine_u8(vld1_u8(p), none));
  const auto odd = vreinterpretq_u32_u8(vcombine_u8(vld1_u8(p + kActRowGroup * 4), none));
  return vreinterpretq_s8_u32(vzip1q_u32(even, odd));
}

// A panel's part of kStripBlocks blocks, in squares of 2 rows x 8 columns.
template <BlockLayout L>
class SquareStrip {
 public:
  void unpack(const PackedBlock<L>& block, size_t b) {
    unroll<0, 4>([&](auto i) __attribute__((always_inline)) {
      for (size_t quarter = 0; quarter < kQuarters; ++quarter) {
        const auto even = vreinterpretq_u32_s8(block.template columns<2 * i>(quarter));
        const auto odd = vreinterpretq_u32_s8(block.template columns<2 * i + 1>(quarter));
        vst1q_u8(quants_[b][i][quarter][0], vreinterpretq_u8_u32(vzip1q_u32(even, odd)));
        vst1q_u8(quants_[b][i][quarter][1], vreinterpretq_u8_u32(vzip2q_u32(even, odd)));
      }
    });
    scales_.unpack(block, b);
  }

  // A whole group of tokens against blocks [first, first + n) of the panel.
  void multiply(const ActivationGroup<const uint8_t>& x, size_t first, size_t n, bool add,
                const OutPanel& out) const {
    for (size_t quarter = 0; quarter < kQuarters; quarter += 2) {
      Tile sums;
      load(out, quarter, add, sums);
      for (size_t b = 0; b < n; ++b) {
        unroll<0, L.halves>([&](auto h) __attribute__((always_inline)) {
          add_half(x, first + b, b, h, quarter, sums);
        });
      }
      store(out, quarter, sums);
    }
  }

 private:
  static constexpr size_t kTokenPairs = kActRowGroup / 2;
  static constexpr size_t kRowPairs = 4;  // of two quarters
  // [2 * row + token] of each square.
  using Tile = float32x4_t[kTokenPairs][kRowPairs];

  // Four floats, one per row, as the squares of two row pairs have them.
  static void spread(const float* rows, float32x4_t* squares) {
    const float32x4_t x = vld1q_f32(rows);
    squares[0] = vzip1q_f32(x, x);
    squares[1] = vzip2q_f32(x, x);
  }

  template <class Body>
  [[gnu::always_inline]] static void each_square(Body body) {
    unroll<0, kTokenPairs>([&](auto t) __attribute__((always_inline)) {
      unroll<0, kRowPairs>([&](auto r) __attribute__((always_inline)) { body(t, r); });
    });
  }

  [[gnu::always_inline]] void add_half(const ActivationGroup<const uint8_t>& x, size_t at_x,
                                       size_t b, size_t h, size_t quarter, Tile& sums) const {
    constexpr size_t kSteps = 4 / L.halves;
    const size_t at = at_x * kActRowGroup * 4;
    int32x4_t dots[kTokenPairs][kRowPairs];
    unroll<0, kTokenPairs>([&](auto t) __attribute__((always_inline)) {
      int32x4_t start = vdupq_n_s32(0);
      if constexpr (kMend<L> != 0) {
        start = vmulq_n_s32(activation_counts<L>(x.half_sums + at + t * 8, h), kMend<L>);
      }
      unroll<0, kRowPairs>([&](auto r) __attribute__((always_inline)) { dots[t][r] = start; });
    });
    unroll<0, kSteps>([&](auto step) __attribute__((always_inline)) {
      const size_t i = h * kSteps + step;
      int8x16_t tokens[kTokenPairs];
      unroll<0, kTokenPairs>([&](auto t) __attribute__((always_inline)) {
        tokens[t] = load_tokens(x.quants + at * 8, i, t);
      });
      unroll<0, kRowPairs>([&](auto r) __attribute__((always_inline)) {
        const int8x16_t w = load_int8(quants_[b][i][quarter + r / 2][r % 2]);
        unroll<0, kTokenPairs>([&](auto t) __attribute__((always_inline)) {
          dots[t][r] = vmmlaq_s32(dots[t][r], w, tokens[t]);
        });
      });
    });
    float32x4_t scale[kRowPairs], x_scale[kTokenPairs];
    spread(scales_.scales[b][h] + quarter * 4, scale);
    spread(scales_.scales[b][h] + quarter * 4 + 4, scale + 2);
    unroll<0, kTokenPairs>([&](auto t) __attribute__((always_inline)) {
      x_scale[t] = vreinterpretq_f32_u8(load_pair(x.scales + at + t * 8));
    });
    each_square([&](auto t, auto r) __attribute__((always_inline)) {
      const float32x4_t dot = vmulq_f32(vcvtq_f32_s32(dots[t][r]), x_scale[t]);
      sums[t][r] = vfmaq_f32(sums[t][r], dot, scale[r]);
    });
    if constexpr (L.has_min) {
      float32x4_t min[kRowPairs], x_sum[kTokenPairs];
      spread(scales_.mins[b][h] + quarter * 4, min);
      spread(scales_.mins[b][h] + quarter * 4 + 4, min + 2);
      unroll<0, kTokenPairs>([&](auto t) __attribute__((always_inline)) {
        x_sum[t] = activation_sums<L>(x, at + t * 8, h, x_scale[t]);
      });
      each_square([&](auto t, auto r) __attribute__((always_inline)) {
        sums[t][r] = vfmaq_f32(sums[t][r], min[r], x_sum[t]);
      });
    }
  }

  [[gnu::always_inline]] static void load(const OutPanel& out, size_t quarter, bool add,
                                          Tile& sums) {
    unroll<0, kTokenPairs * 2>([&](auto i) __attribute__((always_inline)) {
      constexpr size_t t = i / 2, q = i % 2;
      const float32x4_t zero = vdupq_n_f32(0);
      const float32x4_t even = add ? out.load(2 * t, quarter + q) : zero;
      const float32x4_t odd = add ? out.load(2 * t + 1, quarter + q) : zero;
      sums[t][2 * q] = vzip1q_f32(even, odd);
      sums[t][2 * q + 1] = vzip2q_f32(even, odd);
    });
  }
  [[gnu::always_inline]] static void store(const OutPanel& out, size_t quarter, const Tile& sums) {
    unroll<0, kTokenPairs * 2>([&](auto i) __attribute__((always_inline)) {
      constexpr size_t t = i / 2, q = i % 2;
      const float32x4_t low = sums[t][2 * q], high = sums[t][2 * q + 1];
      out.store(2 * t, quarter + q, vuzp1q_f32(low, high));
      out.store(2 * t + 1, quarter + q, vuzp2q_f32(low, high));
    });
  }

  alignas(64) uint8_t quants_[kStripBlocks][4][kQuarters][2][16];
  StripScales<L> scales_;
};

template <BlockLayout L>
void linear_block_i8mm(const LinearArgs& a) {
  linear_panels<L, SquareStrip<L>>(a);
}

}  // namespace
}  // namespace maru::kernels
