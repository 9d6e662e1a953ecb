// Float rows to int8 blocks; the same bits as quantise.scalar.cpp.
#include <immintrin.h>

#include "kernels/quantise_256.h"

namespace maru::kernels {
namespace {

inline float largest8(__m256 x) {
  __m128 r = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  r = _mm_max_ps(r, _mm_movehl_ps(r, r));
  return _mm_cvtss_f32(_mm_max_ss(r, _mm_movehdup_ps(r)));
}

void quantise_block(const float* x, const ActivationGroup<uint8_t>& to, size_t b, size_t t) {
  __m256 v[4];
  __m256 peak = _mm256_setzero_ps();
  const __m256 sign = _mm256_set1_ps(-0.0f);
  for (size_t i = 0; i < 4; ++i) {
    v[i] = _mm256_loadu_ps(x + i * 8);
    peak = _mm256_max_ps(peak, _mm256_andnot_ps(sign, v[i]));
  }
  const float largest = largest8(peak);
  const auto [scale, inverse_one] = scale_of(largest);
  const __m256 inverse = _mm256_set1_ps(inverse_one);
  __m256i whole[4];
  for (size_t i = 0; i < 4; ++i) whole[i] = _mm256_cvtps_epi32(_mm256_mul_ps(v[i], inverse));
  // Packing works within halves of a register; the permutation puts the dwords back in order.
  const __m256i q =
      _mm256_permutevar8x32_epi32(_mm256_packs_epi16(_mm256_packs_epi32(whole[0], whole[1]),
                                                     _mm256_packs_epi32(whole[2], whole[3])),
                                  _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
  put_block(to, b, t, scale, q);
}

}  // namespace

extern const Kernel kernel_quantise_avx2;
constinit const Kernel kernel_quantise_avx2 = {
    Op::kQuantise, Isa::kAvx2, nullptr, {.quantise = quantise_rows<quantise_block>}};

}  // namespace maru::kernels
