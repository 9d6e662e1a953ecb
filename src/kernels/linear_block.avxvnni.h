// Products with quantised weights by the 256-bit vpdpbusd of AVX-VNNI: 4 products and their sum in
// one step, for CPUs without AVX-512.
#pragma once

#include "kernels/linear_block_256.h"

namespace maru::kernels {
namespace {

template <BlockLayout L>
class VnniDot {
 public:
  static constexpr bool kSigned8 = false;

  void begin(__m256i start) { dot_ = start; }
  template <int j>
  void add(__m256i w, __m256i x) {
    dot_ = _mm256_dpbusd_avx_epi32(dot_, w, x);
  }
  __m256i value() const { return dot_; }

 private:
  __m256i dot_;
};

template <BlockLayout L>
void linear_block(const LinearArgs& a) {
  linear_block_256<L, VnniDot>(a);
}

}  // namespace
}  // namespace maru::kernels
