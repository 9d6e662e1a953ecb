// Float rows to int8 blocks; the same bits as quantise.scalar.cpp.
#include <immintrin.h>

#include "kernels/activations.h"
#include "kernels/kernel_api.h"

namespace maru::kernels {
namespace {

template <class T>
void put(uint8_t* to, T x) {
  __builtin_memcpy(to, &x, sizeof x);
}

void quantise_block(const float* x, const ActivationGroup<uint8_t>& to, size_t b, size_t t) {
  const __m512 low = _mm512_loadu_ps(x), high = _mm512_loadu_ps(x + 16);
  const float largest =
      _mm512_reduce_max_ps(_mm512_max_ps(_mm512_abs_ps(low), _mm512_abs_ps(high)));
  const bool is_zero = largest < 1e-30f;
  const float scale = is_zero ? 0.0f : largest / 127.0f;
  const __m512 inverse = _mm512_set1_ps(is_zero ? 0.0f : 127.0f / largest);
  const __m512i q_low = _mm512_cvtps_epi32(_mm512_mul_ps(low, inverse));
  const __m512i q_high = _mm512_cvtps_epi32(_mm512_mul_ps(high, inverse));
  const __m256i q = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm512_cvtepi32_epi8(q_low)),
                                            _mm512_cvtepi32_epi8(q_high), 1);
  uint32_t dwords[8];
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(dwords), q);
  uint8_t* quants = to.quants + (b * 8 * to.width + t) * 4;
  for (size_t i = 0; i < 8; ++i) put(quants + i * to.width * 4, dwords[i]);
  // Sums of 8 bytes, made unsigned by + 128, then back.
  const __m256i sums =
      _mm256_sad_epu8(_mm256_xor_si256(q, _mm256_set1_epi8(-128)), _mm256_setzero_si256());
  const int sum_low =
      static_cast<int>(_mm256_extract_epi64(sums, 0) + _mm256_extract_epi64(sums, 1)) - 16 * 128;
  const int sum_high =
      static_cast<int>(_mm256_extract_epi64(sums, 2) + _mm256_extract_epi64(sums, 3)) - 16 * 128;
  const size_t at = (b * to.width + t) * 4;
  put(to.scales + at, scale);
  put(to.half_sums + at, static_cast<int16_t>(sum_low));
  put(to.half_sums + at + 2, static_cast<int16_t>(sum_high));
  put(to.sums + at, scale * static_cast<float>(sum_low + sum_high));
}

void quantise(const QuantiseArgs& a) {
  for (size_t first = a.row_begin; first < a.row_end; first += kActRowGroup) {
    const auto to = activation_group(static_cast<uint8_t*>(a.out), a.n_rows, a.k, first);
    for (size_t t = 0; t < to.width; ++t) {
      const float* x = a.x + (first + t) * a.ld_x;
      for (size_t b = 0; b < a.k / kActBlock; ++b) quantise_block(x + b * kActBlock, to, b, t);
    }
  }
}

}  // namespace

extern const Kernel kernel_quantise_avx512;
constinit const Kernel kernel_quantise_avx512 = {
    Op::kQuantise, Isa::kAvx512, nullptr, {.quantise = quantise}};

}  // namespace maru::kernels
