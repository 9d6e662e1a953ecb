#include "memory/read.h"

#include <immintrin.h>

namespace maru::bench {

void read_avx512(const uint8_t* data, size_t n, size_t ahead, uint64_t* sink) {
  __m512i sums[8];
  for (__m512i& sum : sums) sum = _mm512_setzero_si512();
  for (size_t at = 0; at < n; at += 512) {
    for (size_t i = 0; i < 8; ++i) {
      const uint8_t* line = data + at + i * 64;
      if (ahead != 0) _mm_prefetch(line + ahead, _MM_HINT_T0);
      sums[i] = _mm512_add_epi64(sums[i], _mm512_load_si512(line));
    }
  }
  for (const __m512i& sum : sums) *sink += static_cast<uint64_t>(_mm512_reduce_add_epi64(sum));
}

}  // namespace maru::bench
