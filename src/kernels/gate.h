// The gated activation of a feed-forward block: act(gate) * up (Shazeer 2020), SiLU or GELU.
#pragma once

#include "kernels/kernel_api.h"
#include "kernels/math.h"

namespace maru::kernels {
namespace {

float silu(float x) { return x * sigmoid(x); }

// 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))), which is x * sigmoid(2 y).
float gelu_tanh(float x) { return x * sigmoid(1.5957691216f * (x + 0.044715f * x * x * x)); }

float gelu(float x) { return 0.5f * x * (1.0f + erf_poly(x * 0.70710678f)); }

template <float (*kAct)(float)>
void gate_rows(const GateArgs& a) {
  for (size_t row = a.row_begin; row < a.row_end; ++row) {
    const float* gate_x = a.gate_x + row * a.ld;
    const float* up = a.up + row * a.ld;
    float* out = a.out + row * a.ld_out;
    for (size_t i = 0; i < a.n; ++i) out[i] = kAct(gate_x[i]) * up[i];
  }
}

inline void gate(const GateArgs& a) {
  switch (a.gate) {
    case Gate::kSilu: return gate_rows<silu>(a);
    case Gate::kGeluTanh: return gate_rows<gelu_tanh>(a);
    case Gate::kGelu: return gate_rows<gelu>(a);
  }
}

}  // namespace
}  // namespace maru::kernels
