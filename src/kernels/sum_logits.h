// What all forms of summing logits up share. In an unnamed namespace, because ISA objects include
// it.
#pragma once

#include "kernels/kernel_api.h"

namespace maru::kernels {
namespace {

// sum_block(x, n, scale): one block of n logits.
template <LogitBlock (*sum_block)(const float*, size_t, float)>
void sum_logit_blocks(const SumLogitsArgs& a) {
  for (size_t b = a.block_begin; b < a.block_end; ++b) {
    const size_t first = b * kLogitBlock;
    const size_t n = a.n - first < kLogitBlock ? a.n - first : kLogitBlock;
    a.blocks[b - a.block_begin] = sum_block(a.x + first, n, a.scale);
  }
}

}  // namespace
}  // namespace maru::kernels
