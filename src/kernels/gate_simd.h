// kernels/gate.h, sixteen values at once. Include the ISA's vec16 header first.
#pragma once

#include "kernels/exp16.h"
#include "kernels/gate.h"

namespace maru::kernels {
namespace {

inline Vec16 silu16(Vec16 x) { return x * sigmoid16(x); }

inline Vec16 gelu_tanh16(Vec16 x) {
  const Vec16 cubic = fma16(x * x, broadcast16(0.044715f), broadcast16(1.0f));
  return x * sigmoid16(broadcast16(1.5957691216f) * x * cubic);
}

template <Vec16 (*kAct)(Vec16), float (*kActOne)(float)>
void gate_rows_simd(const GateArgs& a) {
  for (size_t row = a.row_begin; row < a.row_end; ++row) {
    const float* gate_x = a.gate_x + row * a.ld;
    const float* up = a.up + row * a.ld;
    float* out = a.out + row * a.ld_out;
    size_t i = 0;
    for (; i + 16 <= a.n; i += 16) store16(out + i, kAct(load16(gate_x + i)) * load16(up + i));
    for (; i < a.n; ++i) out[i] = kActOne(gate_x[i]) * up[i];
  }
}

void gate_simd(const GateArgs& a) {
  switch (a.gate) {
    case Gate::kSilu: return gate_rows_simd<silu16, silu>(a);
    case Gate::kGeluTanh: return gate_rows_simd<gelu_tanh16, gelu_tanh>(a);
    case Gate::kGelu: return gate(a);
  }
}

}  // namespace
}  // namespace maru::kernels
