#include "kernels/peak.h"

#include <immintrin.h>

namespace maru::bench {

uint64_t peak_avxvnni(uint64_t steps, int32_t* sink) {
  __m256i acc[12], w = _mm256_set1_epi8(3), x = _mm256_set1_epi8(5);
  for (__m256i& a : acc) a = _mm256_setzero_si256();
  for (uint64_t i = 0; i < steps; ++i) {
    for (__m256i& a : acc) a = _mm256_dpbusd_avx_epi32(a, w, x);
    __asm__ volatile("" : "+x"(w), "+x"(x));
  }
  for (const __m256i& a : acc) *sink += _mm256_extract_epi32(a, 0);
  return steps * 12 * 32;
}

}  // namespace maru::bench
