// Products with quantised weights by sdot: 4 rows x 4 columns of weights, a quarter of a panel's
// vector, against 4 activations of one token, taken out of a register by lane. CPUs without sdot
// get it spelled out. Layouts: docs/formats/packed-weights.md.
//
// Per block of 32 and token: sum += (scale_x * dot) * scale_w (+ min_w * scale_x sum_x), in the
// same order in all functions here and in linear_block.i8mm.h, so that a row's result does not
// depend on the rows beside it.
#pragma once

#include <arm_neon.h>

#include "kernels/activations.h"
#include "kernels/block_layout.h"
#include "kernels/kernel_api.h"

namespace maru::kernels {
namespace {

constexpr size_t kQuarters = 4;  // of a panel: 4 rows each

// f(Index<begin>), f(Index<begin + 1>) ... f(Index<end - 1>), spelled out before anything else is
// optimised, so that arrays of vectors become registers.
template <size_t kValue>
struct Index {
  constexpr operator size_t() const { return kValue; }
};
template <size_t kBegin, size_t kEnd, class Body>
[[gnu::always_inline]] inline void unroll(Body body) {
  if constexpr (kBegin < kEnd) {
    body(Index<kBegin>{});
    unroll<kBegin + 1, kEnd>(body);
  }
}

inline float load_float(const uint8_t* p) {
  float x;
  __builtin_memcpy(&x, p, sizeof x);
  return x;
}
inline int8x16_t load_int8(const uint8_t* p) { return vreinterpretq_s8_u8(vld1q_u8(p)); }

template <int kLeft>
inline uint8x16_t shift_bits(uint8x16_t x) {
  if constexpr (kLeft > 0) return vshlq_n_u8(x, kLeft);
  if constexpr (kLeft < 0) return vshrq_n_u8(x, -kLeft);
  return x;
}

// Each lane of sums += the dot product of the lane's 4 bytes of w and of lane `lane` of x.
template <int lane>
[[gnu::always_inline]] inline int32x4_t add_dot(int32x4_t sums, int8x16_t w, int8x16_t x) {
#ifdef __ARM_FEATURE_DOTPROD
  return vdotq_laneq_s32(sums, w, x, lane);
#else
  const int8x16_t four = vreinterpretq_s8_s32(vdupq_laneq_s32(vreinterpretq_s32_s8(x), lane));
  const int16x8_t low = vmull_s8(vget_low_s8(w), vget_low_s8(four));
  const int16x8_t high = vmull_high_s8(w, four);
  return vaddq_s32(sums, vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(high)));
#endif
}

// The integer sum of the activations that scale h covers.
template <BlockLayout L>
inline int activation_count(const uint8_t* half_sums, size_t h) {
  int16_t halves[2];
  __builtin_memcpy(halves, half_sums, sizeof halves);
  return L.halves == 1 ? halves[0] + halves[1] : halves[h];
}

// Stored values count from -offset; 8-bit ones are unpacked as signed and need no mending.
template <BlockLayout L>
constexpr int kMend = L.low_bits == 8 ? 0 : -L.offset;

// A block as it lies in its panel, unpacked at every use.
template <BlockLayout L>
class PackedBlock {
 public:
  PackedBlock(const uint8_t* panel, size_t b) {
    constexpr size_t kBlocks = L.group_values() / 32;
    header_ = panel + b / kBlocks * L.group_bytes();
    block_ = header_ + L.header_bytes() + b % kBlocks * L.block_bytes();
  }

  // Column group i of the rows of a quarter.
  template <size_t i>
  [[gnu::always_inline]] int8x16_t columns(size_t quarter) const {
    constexpr int kVector = i % L.low_bits, kSlot = i / L.low_bits;
    uint8x16_t q = vld1q_u8(block_ + kVector * 64 + quarter * 16);
    if constexpr (L.low_bits == 8) return vreinterpretq_s8_u8(veorq_u8(q, vdupq_n_u8(0x80)));
    q = vandq_u8(shift_bits<-kSlot * L.low_bits>(q), vdupq_n_u8((1 << L.low_bits) - 1));
    if constexpr (L.high_bits > 0) {
      constexpr int kHighVector = i % L.high_bits, kHighSlot = i / L.high_bits;
      constexpr int kMask = ((1 << L.high_bits) - 1) << L.low_bits;
      const uint8x16_t high = vld1q_u8(block_ + L.low_bytes() + kHighVector * 64 + quarter * 16);
      const uint8x16_t shifted = shift_bits<L.low_bits - kHighSlot * L.high_bits>(high);
      q = vorrq_u8(q, vandq_u8(shifted, vdupq_n_u8(kMask)));
    }
    return vreinterpretq_s8_u8(q);
  }

  float32x4_t scale(size_t h, size_t quarter) const {
    const uint8_t* scales = block_ + L.quant_bytes();
    if constexpr (!L.is_super) return halves(scales + quarter * 8);
    uint8x8_t sc = four_bytes(scales + h * 16 + quarter * 4);
    if constexpr (L.nibble_scales) sc = vand_u8(sc, vdup_n_u8(15));
    return vmulq_f32(halves(header_ + quarter * 8), to_floats(sc));
  }

  float32x4_t min(size_t h, size_t quarter) const {
    const uint8_t* scales = block_ + L.quant_bytes();
    if constexpr (!L.is_super) return halves(scales + 32 + quarter * 8);
    const size_t vector = L.nibble_scales ? h : L.halves + h;
    uint8x8_t mn = four_bytes(scales + vector * 16 + quarter * 4);
    if constexpr (L.nibble_scales) mn = vshr_n_u8(mn, 4);
    return vmulq_f32(halves(header_ + 32 + quarter * 8), vnegq_f32(to_floats(mn)));
  }

 private:
  static float32x4_t halves(const uint8_t* p) {
    return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(p)));
  }
  static uint8x8_t four_bytes(const uint8_t* p) {
    uint32_t bytes;
    __builtin_memcpy(&bytes, p, sizeof bytes);
    return vcreate_u8(bytes);
  }
  static float32x4_t to_floats(uint8x8_t x) {
    return vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(vreinterpret_s8_u8(x)))));
  }

  const uint8_t* header_;
  const uint8_t* block_;
};

// The part of `out` that one panel owns, from some token on.
struct OutPanel {
  float* out;
  size_t ld_out;
  size_t n_rows;  // of the panel that exist

  float32x4_t load(size_t t, size_t quarter) const {
    const float* p = out + t * ld_out + quarter * 4;
    if (quarter * 4 + 4 <= n_rows) return vld1q_f32(p);
    float lanes[4] = {};
    for (size_t i = 0; quarter * 4 + i < n_rows; ++i) lanes[i] = p[i];
    return vld1q_f32(lanes);
  }
  void store(size_t t, size_t quarter, float32x4_t x) const {
    float* p = out + t * ld_out + quarter * 4;
    if (quarter * 4 + 4 <= n_rows) return vst1q_f32(p, x);
    float lanes[4];
    vst1q_f32(lanes, x);
    for (size_t i = 0; quarter * 4 + i < n_rows; ++i) p[i] = lanes[i];
  }
};

// A register tile: kRows tokens, a whole activation group, by the rows of kWide quarters.
template <BlockLayout L, size_t kRows, size_t kWide>
struct DotTile {
  float32x4_t sums[kRows][kWide];

  template <class Block>
  [[gnu::always_inline]] void add_block(const Block& block, size_t quarter,
                                        const ActivationGroup<const uint8_t>& x, size_t b) {
    unroll<0, L.halves>([&](auto h) __attribute__((always_inline)) {
      int32x4_t dots[kRows][kWide];
      multiply<h>(block, quarter, x, b, dots);
      add_scaled(block, quarter, x, b, h, dots);
    });
  }

  [[gnu::always_inline]] void load(const OutPanel& out, size_t quarter, bool add) {
    unroll<0, kRows * kWide>([&](auto i) __attribute__((always_inline)) {
      sums[i / kWide][i % kWide] = add ? out.load(i / kWide, quarter + i % kWide) : vdupq_n_f32(0);
    });
  }
  [[gnu::always_inline]] void store(const OutPanel& out, size_t quarter) const {
    unroll<0, kRows * kWide>([&](auto i) __attribute__((always_inline)) {
      out.store(i / kWide, quarter + i % kWide, sums[i / kWide][i % kWide]);
    });
  }

 private:
  // The integer products that scale h of block b covers.
  template <size_t h, class Block>
  [[gnu::always_inline]] static void multiply(const Block& block, size_t quarter,
                                              const ActivationGroup<const uint8_t>& x, size_t b,
                                              int32x4_t (&dots)[kRows][kWide]) {
    unroll<0, kRows>([&](auto t) __attribute__((always_inline)) {
      const uint8_t* half_sums = x.half_sums + (b * kRows + t) * 4;
      const int start = kMend<L> == 0 ? 0 : kMend<L> * activation_count<L>(half_sums, h);
      unroll<0, kWide>([&](auto q)
                           __attribute__((always_inline)) { dots[t][q] = vdupq_n_s32(start); });
    });
    const uint8_t* quants = x.quants + b * kRows * 32;  // 2 * kRows vectors
    constexpr size_t kGroups = 8 / L.halves;
    unroll<h * kGroups, (h + 1) * kGroups>([&](auto i) __attribute__((always_inline)) {
      int8x16_t w[kWide];
      unroll<0, kWide>([&](auto q) __attribute__((always_inline)) {
        w[q] = block.template columns<i>(quarter + q);
      });
      unroll<0, kRows>([&](auto t) __attribute__((always_inline)) {
        constexpr size_t kAt = i * kRows + t;
        const int8x16_t columns = load_int8(quants + kAt / 4 * 16);
        unroll<0, kWide>([&](auto q) __attribute__((always_inline)) {
          dots[t][q] = add_dot<kAt % 4>(dots[t][q], w[q], columns);
        });
      });
    });
  }

  template <class Block>
  [[gnu::always_inline]] void add_scaled(const Block& block, size_t quarter,
                                         const ActivationGroup<const uint8_t>& x, size_t b,
                                         size_t h, const int32x4_t (&dots)[kRows][kWide]) {
    float32x4_t scale[kWide], min[kWide];
    unroll<0, kWide>([&](auto q) __attribute__((always_inline)) {
      scale[q] = block.scale(h, quarter + q);
      if constexpr (L.has_min) min[q] = block.min(h, quarter + q);
    });
    unroll<0, kRows>([&](auto t) __attribute__((always_inline)) {
      const size_t at = (b * kRows + t) * 4;
      const float x_scale = load_float(x.scales + at);
      unroll<0, kWide>([&](auto q) __attribute__((always_inline)) {
        const float32x4_t dot = vmulq_n_f32(vcvtq_f32_s32(dots[t][q]), x_scale);
        sums[t][q] = vfmaq_f32(sums[t][q], dot, scale[q]);
      });
      if constexpr (L.has_min) {
        const float x_sum =
            L.halves == 1 ? load_float(x.sums + at)
                          : static_cast<float>(activation_count<L>(x.half_sums + at, h)) * x_scale;
        unroll<0, kWide>([&](auto q) __attribute__((always_inline)) {
          sums[t][q] = vfmaq_n_f32(sums[t][q], min[q], x_sum);
        });
      }
    });
  }
};

// One group of tokens against one panel, weights unpacked in registers: bound by memory.
template <BlockLayout L, size_t kRows>
void few_rows(const LinearArgs& a, const uint8_t* panel, const ActivationGroup<const uint8_t>& x,
              const OutPanel& out) {
  constexpr size_t kWide = kRows <= 3 ? 4 : 2;  // sums and dot products fill 24 of 32 registers
  for (size_t quarter = 0; quarter < kQuarters; quarter += kWide) {
    DotTile<L, kRows, kWide> tile;
    tile.load(out, quarter, a.accumulate);
    for (size_t b = 0; b < a.k / kActBlock; ++b) {
      tile.add_block(PackedBlock<L>(panel, b), quarter, x, b);
    }
    tile.store(out, quarter);
  }
}

template <BlockLayout L>
void few_rows_of(const LinearArgs& a, const uint8_t* panel, const ActivationGroup<const uint8_t>& x,
                 const OutPanel& out) {
  static_assert(kActRowGroup == 6);
  switch (x.width) {
    case 1: return few_rows<L, 1>(a, panel, x, out);
    case 2: return few_rows<L, 2>(a, panel, x, out);
    case 3: return few_rows<L, 3>(a, panel, x, out);
    case 4: return few_rows<L, 4>(a, panel, x, out);
    case 5: return few_rows<L, 5>(a, panel, x, out);
    default: return few_rows<L, 6>(a, panel, x, out);
  }
}

// Many rows: a panel's part of so many blocks is unpacked once into L1 and used by all tokens.
constexpr size_t kStripBlocks = 24;

template <BlockLayout L>
struct StripScales {
  alignas(64) float scales[kStripBlocks][L.halves][kPanelRows];
  alignas(64) float mins[L.has_min ? kStripBlocks : 1][L.halves][kPanelRows];

  void unpack(const PackedBlock<L>& block, size_t b) {
    for (size_t h = 0; h < L.halves; ++h) {
      for (size_t quarter = 0; quarter < kQuarters; ++quarter) {
        vst1q_f32(scales[b][h] + quarter * 4, block.scale(h, quarter));
        if constexpr (L.has_min) vst1q_f32(mins[b][h] + quarter * 4, block.min(h, quarter));
      }
    }
  }
};

template <BlockLayout L>
class DotStrip {
 public:
  void unpack(const PackedBlock<L>& block, size_t b) {
    unroll<0, 8>([&](auto i) __attribute__((always_inline)) {
      for (size_t quarter = 0; quarter < kQuarters; ++quarter) {
        vst1q_u8(quants_[b][i][quarter], vreinterpretq_u8_s8(block.template columns<i>(quarter)));
      }
    });
    scales_.unpack(block, b);
  }

  // A whole group of tokens against blocks [first, first + n) of the panel.
  void multiply(const ActivationGroup<const uint8_t>& x, size_t first, size_t n, bool add,
                const OutPanel& out) const {
    for (size_t quarter = 0; quarter < kQuarters; quarter += 2) {
      DotTile<L, kActRowGroup, 2> tile;
      tile.load(out, quarter, add);
      for (size_t b = 0; b < n; ++b) tile.add_block(Block{*this, b}, quarter, x, first + b);
      tile.store(out, quarter);
    }
  }

 private:
  struct Block {
    const DotStrip& strip;
    size_t b;

    template <size_t i>
    [[gnu::always_inline]] int8x16_t columns(size_t quarter) const {
      return load_int8(strip.quants_[b][i][quarter]);
    }
    float32x4_t scale(size_t h, size_t quarter) const {
      return vld1q_f32(strip.scales_.scales[b][h] + quarter * 4);
    }
    float32x4_t min(size_t h, size_t quarter) const {
      return vld1q_f32(strip.scales_.mins[b][h] + quarter * 4);
    }
  };

  alignas(64) uint8_t quants_[kStripBlocks][8][kQuarters][16];
  StripScales<L> scales_;
};

template <BlockLayout L, class Strip>
void many_rows(const LinearArgs& a, const uint8_t* panel, size_t row_end, OutPanel out) {
  Strip strip;
  float* const first_out = out.out;
  const size_t n_blocks = a.k / kActBlock;
  for (size_t first = 0; first < n_blocks; first += kStripBlocks) {
    const size_t n = n_blocks - first < kStripBlocks ? n_blocks - first : kStripBlocks;
    for (size_t b = 0; b < n; ++b) strip.unpack(PackedBlock<L>(panel, first + b), b);
    for (size_t row = 0; row < row_end; row += kActRowGroup) {
      const auto x = activation_group(static_cast<const uint8_t*>(a.x), a.n_rows, a.k, row);
      out.out = first_out + row * a.ld_out;
      strip.multiply(x, first, n, a.accumulate || first > 0, out);
    }
  }
}

// A strip pays from two whole groups on; what is left of the rows goes without.
template <BlockLayout L, class Strip>
void linear_panels(const LinearArgs& a) {
  const size_t strip_rows =
      a.n_rows < 2 * kActRowGroup ? 0 : a.n_rows / kActRowGroup * kActRowGroup;
  for (size_t p = a.panel_begin; p < a.panel_end; ++p) {
    const uint8_t* panel = a.weight + p * a.panel_bytes;
    const size_t first_row = p * kPanelRows;
    OutPanel out{a.out + (first_row - a.row_base), a.ld_out, a.n_out - first_row};
    if (strip_rows > 0) many_rows<L, Strip>(a, panel, strip_rows, out);
    out.out += strip_rows * a.ld_out;
    for (size_t row = strip_rows; row < a.n_rows; row += kActRowGroup) {
      const auto x = activation_group(static_cast<const uint8_t*>(a.x), a.n_rows, a.k, row);
      few_rows_of<L>(a, panel, x, out);
      out.out += kActRowGroup * a.ld_out;
    }
  }
}

template <BlockLayout L>
void linear_block(const LinearArgs& a) {
  linear_panels<L, DotStrip<L>>(a);
}

}  // namespace
}  // namespace maru::kernels
