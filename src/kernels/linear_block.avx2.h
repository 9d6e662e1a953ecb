// Products with quantised weights by maddubs. The 16-bit sums of pairs are added up before they are
// widened as often as the weights' bits allow. 8-bit weights would overflow unsigned: they use |w|
// and the activations with w's sign.
#pragma once

#include "kernels/linear_block_256.h"

namespace maru::kernels {
namespace {

template <BlockLayout L>
class MaddDot {
 public:
  static constexpr bool kSigned8 = true;

  void begin(__m256i start) { start_ = start; }

  template <int j>
  void add(__m256i w, __m256i x) {
    if constexpr (L.low_bits == 8) {
      x = _mm256_sign_epi8(x, w);
      w = _mm256_abs_epi8(w);
    }
    const __m256i product = _mm256_maddubs_epi16(w, x);
    pairs_ = j % kAdd == 0 ? product : _mm256_add_epi16(pairs_, product);
    if constexpr (j % kAdd == kAdd - 1) {
      const __m256i wide = _mm256_madd_epi16(pairs_, _mm256_set1_epi16(1));
      dot_ = j < kAdd ? wide : _mm256_add_epi32(dot_, wide);
    }
  }

  __m256i value() const {
    if constexpr (L.offset == 0 || L.low_bits == 8) return dot_;
    return _mm256_add_epi32(dot_, start_);
  }

 private:
  // Activations lie in [-127, 127], so a pair is at most 2 * 127 * (2^bits - 1): 3810, 7874, 16002,
  // or 32512 for 8 bits, where |w| is at most 128. So many fit into 16 bits:
  static constexpr int kBits = L.low_bits + L.high_bits;
  static constexpr int kFit = kBits <= 4 ? 8 : kBits == 5 ? 4 : kBits == 6 ? 2 : 1;
  static constexpr int kAdd = kFit < 8 / L.halves ? kFit : 8 / L.halves;

  __m256i start_, pairs_, dot_;
};

template <BlockLayout L>
void linear_block(const LinearArgs& a) {
  linear_block_256<L, MaddDot>(a);
}

}  // namespace
}  // namespace maru::kernels
