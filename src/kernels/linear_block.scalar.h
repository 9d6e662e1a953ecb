// The plain reference of all products with quantised weights: the oracle of the vector kernels.
// Sums inside a block are exact integers; blocks are added in order in float.
#pragma once

#include "kernels/activations.h"
#include "kernels/block_layout.h"
#include "kernels/half.h"
#include "kernels/kernel_api.h"

namespace maru::kernels {
namespace {

// One block of one panel, spelled out.
struct PlainBlock {
  uint8_t quants[8][kPanelRows][4];  // column 4 * i + j of a row: quants[i][row][j]
  float scale[2][kPanelRows];
  float min[2][kPanelRows];
};

template <BlockLayout L>
void read_quants(const uint8_t* block, PlainBlock& out) {
  const uint8_t* high = block + L.low_bytes();
  constexpr int kLowSlots = 8 / L.low_bits;  // groups that share a byte of the low plane
  constexpr int kLowVectors = 8 / kLowSlots;
  for (int group = 0; group < 8; ++group) {
    for (size_t row = 0; row < kPanelRows; ++row) {
      for (size_t j = 0; j < 4; ++j) {
        const size_t lane = row * 4 + j;
        const int low_vector = group % kLowVectors, low_slot = group / kLowVectors;
        int q = block[static_cast<size_t>(low_vector) * 64 + lane] >> (low_slot * L.low_bits) &
                ((1 << L.low_bits) - 1);
        if constexpr (L.high_bits > 0) {
          constexpr int kHighVectors = L.high_bits;
          const int high_vector = group % kHighVectors, high_slot = group / kHighVectors;
          q |= (high[static_cast<size_t>(high_vector) * 64 + lane] >> (high_slot * L.high_bits) &
                ((1 << L.high_bits) - 1))
               << L.low_bits;
        }
        out.quants[group][row][j] = static_cast<uint8_t>(q);
      }
    }
  }
}

// Bytes of a K-quant's scale h and minimum h of a row.
template <BlockLayout L>
int sub_scale(const uint8_t* scales, size_t h, size_t row) {
  const uint8_t byte = scales[h * kPanelRows + row];
  return L.nibble_scales ? byte & 15 : static_cast<int8_t>(byte);
}
template <BlockLayout L>
int sub_min(const uint8_t* scales, size_t h, size_t row) {
  if (L.nibble_scales) return scales[h * kPanelRows + row] >> 4;
  return static_cast<int8_t>(scales[(static_cast<size_t>(L.halves) + h) * kPanelRows + row]);
}

template <BlockLayout L>
void read_block(const uint8_t* panel, size_t b, PlainBlock& out) {
  constexpr size_t kBlocks = L.group_values() / 32;
  const uint8_t* header = panel + b / kBlocks * L.group_bytes();
  const uint8_t* block = header + L.header_bytes() + b % kBlocks * L.block_bytes();
  read_quants<L>(block, out);
  const uint8_t* scales = block + L.quant_bytes();
  for (size_t h = 0; h < static_cast<size_t>(L.halves); ++h) {
    for (size_t row = 0; row < kPanelRows; ++row) {
      if constexpr (L.is_super) {
        out.scale[h][row] =
            load_f16(header + row * 2) * static_cast<float>(sub_scale<L>(scales, h, row));
        if constexpr (L.has_min) {
          out.min[h][row] =
              -(load_f16(header + 32 + row * 2) * static_cast<float>(sub_min<L>(scales, h, row)));
        }
      } else {
        out.scale[h][row] = load_f16(scales + row * 2);
        if constexpr (L.has_min) out.min[h][row] = load_f16(scales + 32 + row * 2);
      }
    }
  }
}

float read_float(const uint8_t* p) {
  float x;
  __builtin_memcpy(&x, p, sizeof x);
  return x;
}
int read_i16(const uint8_t* p) {
  int16_t x;
  __builtin_memcpy(&x, p, sizeof x);
  return x;
}

// Adds a block's part of token `t` of the group to sums[16].
template <BlockLayout L>
void add_block(const PlainBlock& w, const ActivationGroup<const uint8_t>& x, size_t b, size_t t,
               float* sums) {
  constexpr int kGroups = 8 / L.halves;
  const size_t at = b * x.width + t;
  const float x_scale = read_float(x.scales + at * 4);
  for (int h = 0; h < L.halves; ++h) {
    int x_sum = read_i16(x.half_sums + at * 4 + static_cast<size_t>(h) * 2);
    if (L.halves == 1) x_sum += read_i16(x.half_sums + at * 4 + 2);
    for (size_t row = 0; row < kPanelRows; ++row) {
      int dot = 0;
      for (int i = h * kGroups; i < (h + 1) * kGroups; ++i) {
        const uint8_t* quants = x.quants + ((b * 8 + static_cast<size_t>(i)) * x.width + t) * 4;
        for (size_t j = 0; j < 4; ++j) {
          dot += w.quants[i][row][j] * static_cast<int8_t>(quants[j]);
        }
      }
      sums[row] += w.scale[h][row] * (x_scale * static_cast<float>(dot - L.offset * x_sum));
      if constexpr (L.has_min) {
        sums[row] += w.min[h][row] * (x_scale * static_cast<float>(x_sum));
      }
    }
  }
}

template <BlockLayout L>
void linear_block(const LinearArgs& a) {
  for (size_t p = a.panel_begin; p < a.panel_end; ++p) {
    const uint8_t* panel = a.weight + p * a.panel_bytes;
    for (size_t first = 0; first < a.n_rows; first += kActRowGroup) {
      const auto x = activation_group(static_cast<const uint8_t*>(a.x), a.n_rows, a.k, first);
      float sums[kActRowGroup][kPanelRows] = {};
      for (size_t b = 0; b < a.k / kActBlock; ++b) {
        PlainBlock block;
        read_block<L>(panel, b, block);
        for (size_t t = 0; t < x.width; ++t) add_block<L>(block, x, b, t, sums[t]);
      }
      for (size_t t = 0; t < x.width; ++t) {
        for (size_t row = p * kPanelRows; row < (p + 1) * kPanelRows && row < a.n_out; ++row) {
          float* out = a.out + (first + t) * a.ld_out + (row - a.row_base);
          const float sum = sums[t][row - p * kPanelRows];
          *out = a.accumulate ? *out + sum : sum;
        }
      }
    }
  }
}

}  // namespace
}  // namespace maru::kernels
