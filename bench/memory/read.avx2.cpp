#include "memory/read.h"

#include <immintrin.h>

namespace maru::bench {

void read_avx2(const uint8_t* data, size_t n, size_t ahead, uint64_t* sink) {
  __m256i sums[8];
  for (__m256i& sum : sums) sum = _mm256_setzero_si256();
  for (size_t at = 0; at < n; at += 256) {
    for (size_t i = 0; i < 8; ++i) {
      const uint8_t* half = data + at + i * 32;
      if (ahead != 0 && i % 2 == 0) _mm_prefetch(half + ahead, _MM_HINT_T0);
      sums[i] =
          _mm256_add_epi64(sums[i], _mm256_load_si256(reinterpret_cast<const __m256i*>(half)));
    }
  }
  for (const __m256i& sum : sums) {
    uint64_t lanes[4];
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(lanes), sum);
    for (const uint64_t lane : lanes) *sink += lane;
  }
}

}  // namespace maru::bench
