// y += scale * x.
#pragma once

#include "kernels/kernel_api.h"

namespace maru::kernels {
namespace {

void add(const AddArgs& a) {
  for (size_t i = 0; i < a.n; ++i) a.y[i] += a.scale * a.x[i];
}

}  // namespace
}  // namespace maru::kernels
