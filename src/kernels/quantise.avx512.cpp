// Float rows to int8 blocks; the same bits as quantise.scalar.cpp.
#include <immintrin.h>

#include "kernels/quantise_256.h"

namespace maru::kernels {
namespace {

void quantise_block(const float* x, const ActivationGroup<uint8_t>& to, size_t b, size_t t) {
  const __m512 low = _mm512_loadu_ps(x), high = _mm512_loadu_ps(x + 16);
  const float largest =
      _mm512_reduce_max_ps(_mm512_max_ps(_mm512_abs_ps(low), _mm512_abs_ps(high)));
  const auto [scale, inverse_one] = scale_of(largest);
  const __m512 inverse = _mm512_set1_ps(inverse_one);
  const __m512i q_low = _mm512_cvtps_epi32(_mm512_mul_ps(low, inverse));
  const __m512i q_high = _mm512_cvtps_epi32(_mm512_mul_ps(high, inverse));
  const __m256i q = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm512_cvtepi32_epi8(q_low)),
                                            _mm512_cvtepi32_epi8(q_high), 1);
  put_block(to, b, t, scale, q);
}

}  // namespace

extern const Kernel kernel_quantise_avx512;
constinit const Kernel kernel_quantise_avx512 = {
    Op::kQuantise, Isa::kAvx512, nullptr, {.quantise = quantise_rows<quantise_block>}};

}  // namespace maru::kernels
