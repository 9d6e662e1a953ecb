// The end of a block's quantisation on x86, where its 32 bytes are one register.
#pragma once

#include <immintrin.h>

#include "kernels/quantise_rows.h"

namespace maru::kernels {
namespace {

inline void put_block(const ActivationGroup<uint8_t>& to, size_t b, size_t t, float scale,
                      __m256i q) {
  uint32_t dwords[8];
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(dwords), q);
  put_quants(to, b, t, dwords);
  // Sums of 8 bytes, made unsigned by + 128, then back.
  const __m256i sums =
      _mm256_sad_epu8(_mm256_xor_si256(q, _mm256_set1_epi8(-128)), _mm256_setzero_si256());
  const auto low = _mm256_extract_epi64(sums, 0) + _mm256_extract_epi64(sums, 1);
  const auto high = _mm256_extract_epi64(sums, 2) + _mm256_extract_epi64(sums, 3);
  put_sums(to, b, t, scale, static_cast<int>(low) - 16 * 128, static_cast<int>(high) - 16 * 128);
}

}  // namespace
}  // namespace maru::kernels
