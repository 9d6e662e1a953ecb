#include "kernels/peak.h"

#include <immintrin.h>

namespace maru::bench {

// maddubs, madd, add: one widening per product, as 8-bit weights need.
uint64_t peak_avx2(uint64_t steps, int32_t* sink) {
  __m256i acc[8], w = _mm256_set1_epi8(3), x = _mm256_set1_epi8(5);
  const __m256i ones = _mm256_set1_epi16(1);
  for (__m256i& a : acc) a = _mm256_setzero_si256();
  for (uint64_t i = 0; i < steps; ++i) {
    for (__m256i& a : acc) {
      __asm__ volatile("" : "+x"(w), "+x"(x));
      a = _mm256_add_epi32(a, _mm256_madd_epi16(_mm256_maddubs_epi16(w, x), ones));
    }
  }
  for (const __m256i& a : acc) *sink += _mm256_extract_epi32(a, 0);
  return steps * 8 * 32;
}

}  // namespace maru::bench
