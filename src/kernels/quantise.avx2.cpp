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
  const bool is_zero = largest < 1e-30f;
  const float scale = is_zero ? 0.0f : largest / 127.0f;
  const __m256 inverse = _mm256_set1_ps(is_zero ? 0.0f : 127.0f / largest);
  __m256i whole[4];
  for (size_t i = 0; i < 4; ++i) whole[i] = _mm256_cvtps_epi32(_mm256_mul_ps(v[i], inverse));
  // Packing works within halves of a register; the permutation puts the dwords back in order.
  const __m256i q =
      _mm256_permutevar8x32_epi32(_mm256_packs_epi16(_mm256_packs_epi32(whole[0], whole[1]),
                                                     _mm256_packs_epi32(whole[2], whole[3])),
                                  _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
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

extern const Kernel kernel_quantise_avx2;
constinit const Kernel kernel_quantise_avx2 = {
    Op::kQuantise, Isa::kAvx2, nullptr, {.quantise = quantise}};

}  // namespace maru::kernels
