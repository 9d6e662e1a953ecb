// The plain reference of products with float weights. A panel is [k, 16] elements.
#pragma once

#include "kernels/half.h"
#include "kernels/kernel_api.h"

namespace maru::kernels {
namespace {

// Element: a type with `size` and `static float load(const uint8_t*)`.
template <class Element>
void linear_float(const LinearArgs& a) {
  const float* x = static_cast<const float*>(a.x);
  for (size_t row = a.panel_begin * kPanelRows; row < a.panel_end * kPanelRows && row < a.n_out;
       ++row) {
    const uint8_t* weight =
        a.weight + row / kPanelRows * a.panel_bytes + row % kPanelRows * Element::kSize;
    for (size_t t = 0; t < a.n_rows; ++t) {
      float sum = 0;
      for (size_t i = 0; i < a.k; ++i) {
        sum += Element::load(weight + i * kPanelRows * Element::kSize) * x[t * a.ld_x + i];
      }
      float* out = a.out + t * a.ld_out + (row - a.row_base);
      *out = a.accumulate ? *out + sum : sum;
    }
  }
}

}  // namespace
}  // namespace maru::kernels
