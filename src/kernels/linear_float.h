// Products with float weights: a panel is [k, 16] elements, sums run along k in order, one fused
// multiply-add a step. Include the ISA's vec16 header first.
#pragma once

#include "kernels/kernel_api.h"

namespace maru::kernels {
namespace {

template <size_t kBytes, Vec16 (*kLoad)(const uint8_t*), size_t kRows, size_t kPanels>
void float_tile(const LinearArgs& a, size_t panel, size_t row) {
  const uint8_t* weight = a.weight + panel * a.panel_bytes;
  const float* x = static_cast<const float*>(a.x) + row * a.ld_x;
  Vec16 sums[kRows][kPanels];
  for (size_t t = 0; t < kRows; ++t) {
    for (size_t p = 0; p < kPanels; ++p) sums[t][p] = zero16();
  }
  for (size_t i = 0; i < a.k; ++i) {
    Vec16 w[kPanels];
    for (size_t p = 0; p < kPanels; ++p) {
      w[p] = kLoad(weight + p * a.panel_bytes + i * kPanelRows * kBytes);
    }
    for (size_t t = 0; t < kRows; ++t) {
      const Vec16 column = broadcast16(x[t * a.ld_x + i]);
      for (size_t p = 0; p < kPanels; ++p) sums[t][p] = fma16(column, w[p], sums[t][p]);
    }
  }
  for (size_t p = 0; p < kPanels; ++p) {
    const size_t first = (panel + p) * kPanelRows;
    const size_t rest = a.n_out - first < kPanelRows ? a.n_out - first : kPanelRows;
    for (size_t t = 0; t < kRows; ++t) {
      float* out = a.out + (row + t) * a.ld_out + (first - a.row_base);
      if (a.accumulate) sums[t][p] = sums[t][p] + load16_first(out, rest);
      store16_first(out, rest, sums[t][p]);
    }
  }
}

template <size_t kBytes, Vec16 (*kLoad)(const uint8_t*), size_t kPanels>
void float_panels(const LinearArgs& a, size_t panel) {
  size_t row = 0;
  for (; row + kTileRows <= a.n_rows; row += kTileRows) {
    float_tile<kBytes, kLoad, kTileRows, kPanels>(a, panel, row);
  }
  for (; row < a.n_rows; ++row) float_tile<kBytes, kLoad, 1, kPanels>(a, panel, row);
}

// kTilePanels * kTileRows vectors of sums fit the registers.
template <size_t kBytes, Vec16 (*kLoad)(const uint8_t*), size_t kTilePanels>
void linear_float(const LinearArgs& a) {
  size_t panel = a.panel_begin;
  if (a.n_rows == 1) {
    for (; panel + 4 <= a.panel_end; panel += 4) float_tile<kBytes, kLoad, 1, 4>(a, panel, 0);
  }
  for (; panel + kTilePanels <= a.panel_end; panel += kTilePanels) {
    float_panels<kBytes, kLoad, kTilePanels>(a, panel);
  }
  for (; panel < a.panel_end; ++panel) float_panels<kBytes, kLoad, 1>(a, panel);
}

}  // namespace
}  // namespace maru::kernels
