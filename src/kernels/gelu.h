// x * Phi(x), Phi the normal distribution (Hendrycks and Gimpel 2016). The same source for every
// ISA.
#pragma once

#include "kernels/gate.h"

namespace maru::kernels {
namespace {

void gelu_in_place(const GeluArgs& a) {
  for (size_t i = 0; i < a.n; ++i) a.x[i] = gelu(a.x[i]);
}

}  // namespace
}  // namespace maru::kernels
