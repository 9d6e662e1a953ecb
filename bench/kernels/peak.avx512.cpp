#include "kernels/peak.h"

#include <immintrin.h>

namespace maru::bench {

uint64_t peak_avx512(uint64_t steps, int32_t* sink) {
  __m512i acc[12], w = _mm512_set1_epi8(3), x = _mm512_set1_epi8(5);
  for (__m512i& a : acc) a = _mm512_setzero_si512();
  for (uint64_t i = 0; i < steps; ++i) {
    for (__m512i& a : acc) a = _mm512_dpbusd_epi32(a, w, x);
    __asm__ volatile("" : "+v"(w), "+v"(x));
  }
  for (const __m512i& a : acc) *sink += _mm512_reduce_add_epi32(a);
  return steps * 12 * 64;
}

}  // namespace maru::bench
