#include "kernels/peak.h"

#include <immintrin.h>

namespace maru::bench {

uint64_t peak_avxvnni(uint64_t steps, int32_t* sink) {
  __m256i a = _mm256_setzero_si256(), b = a, c = a, d = a, e = a, f = a, g = a, h = a, i = a, j = a;
  const __m256i w = _mm256_set1_epi8(3), x = _mm256_set1_epi8(5);
  for (uint64_t step = 0; step < steps; ++step) {
    a = _mm256_dpbusd_avx_epi32(a, w, x);
    b = _mm256_dpbusd_avx_epi32(b, w, x);
    c = _mm256_dpbusd_avx_epi32(c, w, x);
    d = _mm256_dpbusd_avx_epi32(d, w, x);
    e = _mm256_dpbusd_avx_epi32(e, w, x);
    f = _mm256_dpbusd_avx_epi32(f, w, x);
    g = _mm256_dpbusd_avx_epi32(g, w, x);
    h = _mm256_dpbusd_avx_epi32(h, w, x);
    i = _mm256_dpbusd_avx_epi32(i, w, x);
    j = _mm256_dpbusd_avx_epi32(j, w, x);
    // GCC keeps an array of sums in memory; named ones it keeps in registers.
    __asm__ volatile("" : "+x"(a), "+x"(b), "+x"(c), "+x"(d), "+x"(e));
    __asm__ volatile("" : "+x"(f), "+x"(g), "+x"(h), "+x"(i), "+x"(j));
  }
  const __m256i sums[] = {a, b, c, d, e, f, g, h, i, j};
  for (__m256i sum : sums) *sink += _mm256_extract_epi32(sum, 0);
  return steps * 10 * 32;
}

}  // namespace maru::bench
