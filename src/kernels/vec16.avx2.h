// Sixteen floats as two ymm: the vocabulary of the sources that several ISAs share.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace maru::kernels {
namespace {

struct Vec16 {
  __m256 a, b;
};

// Register tiles: rows by two vectors, or rows by kValueColumns vectors.
constexpr size_t kTileRows = 3;
constexpr size_t kValueColumns = 1;

inline Vec16 zero16() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
inline Vec16 broadcast16(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
inline Vec16 load16(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
inline void store16(float* p, Vec16 x) {
  _mm256_storeu_ps(p, x.a);
  _mm256_storeu_ps(p + 8, x.b);
}

inline __m128i load16_bytes(const uint8_t* p) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
}
inline Vec16 load16_f32(const uint8_t* p) {
  return {_mm256_castsi256_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))),
          _mm256_castsi256_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 32)))};
}
inline Vec16 load16_f16(const uint8_t* p) {
  return {_mm256_cvtph_ps(load16_bytes(p)), _mm256_cvtph_ps(load16_bytes(p + 16))};
}
inline __m256 widen_bf16(__m128i x) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(x), 16));
}
inline Vec16 load16_bf16(const uint8_t* p) {
  return {widen_bf16(load16_bytes(p)), widen_bf16(load16_bytes(p + 16))};
}
inline Vec16 load16_i8(const uint8_t* p) {
  const __m128i bytes = load16_bytes(p);
  return {_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)),
          _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(bytes, 8)))};
}

// The first n lanes, n <= 16; the others are zero.
inline Vec16 load16_first(const float* p, size_t n) {
  if (n == 16) return load16(p);
  float lanes[16] = {};
  for (size_t i = 0; i < n; ++i) lanes[i] = p[i];
  return load16(lanes);
}
inline void store16_first(float* p, size_t n, Vec16 x) {
  if (n == 16) return store16(p, x);
  float lanes[16];
  store16(lanes, x);
  for (size_t i = 0; i < n; ++i) p[i] = lanes[i];
}

inline Vec16 operator+(Vec16 x, Vec16 y) {
  return {_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)};
}
inline Vec16 operator-(Vec16 x, Vec16 y) {
  return {_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b)};
}
inline Vec16 operator*(Vec16 x, Vec16 y) {
  return {_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)};
}
inline Vec16 operator/(Vec16 x, Vec16 y) {
  return {_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b)};
}
inline Vec16 min16(Vec16 x, Vec16 y) { return {_mm256_min_ps(x.a, y.a), _mm256_min_ps(x.b, y.b)}; }
inline Vec16 max16(Vec16 x, Vec16 y) { return {_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b)}; }
inline Vec16 fma16(Vec16 x, Vec16 y, Vec16 z) {
  return {_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)};
}
inline Vec16 round16(Vec16 x) {
  constexpr int kMode = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  return {_mm256_round_ps(x.a, kMode), _mm256_round_ps(x.b, kMode)};
}
// a * 2^n for whole n <= 254, as two factors because one would overflow at 128; too small goes to
// zero.
inline __m256 scale8(__m256 x, __m256 n) {
  const __m256i whole = _mm256_cvtps_epi32(_mm256_max_ps(n, _mm256_set1_ps(-252.0f)));
  const __m256i half = _mm256_srai_epi32(whole, 1);
  const __m256i bias = _mm256_set1_epi32(127);
  const __m256i low = _mm256_slli_epi32(_mm256_add_epi32(half, bias), 23);
  const __m256i high = _mm256_slli_epi32(_mm256_add_epi32(_mm256_sub_epi32(whole, half), bias), 23);
  return _mm256_mul_ps(_mm256_mul_ps(x, _mm256_castsi256_ps(low)), _mm256_castsi256_ps(high));
}
inline Vec16 scale16(Vec16 x, Vec16 n) { return {scale8(x.a, n.a), scale8(x.b, n.b)}; }
inline __m256 select8(__m256 x, __m256 y, int begin, int end) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  const __m256i outside = _mm256_or_si256(_mm256_cmpgt_epi32(_mm256_set1_epi32(begin), lane),
                                          _mm256_cmpgt_epi32(lane, _mm256_set1_epi32(end - 1)));
  return _mm256_blendv_ps(x, y, _mm256_castsi256_ps(outside));
}
// x where the lane's index lies in [begin, end), else y.
inline Vec16 select_lanes16(Vec16 x, Vec16 y, int begin, int end) {
  return {select8(x.a, y.a, begin, end), select8(x.b, y.b, begin - 8, end - 8)};
}
inline float largest16(Vec16 x) {
  const __m256 m = _mm256_max_ps(x.a, x.b);
  __m128 r = _mm_max_ps(_mm256_castps256_ps128(m), _mm256_extractf128_ps(m, 1));
  r = _mm_max_ps(r, _mm_movehl_ps(r, r));
  return _mm_cvtss_f32(_mm_max_ss(r, _mm_movehdup_ps(r)));
}
inline float first16(Vec16 x) { return _mm256_cvtss_f32(x.a); }
inline float sum16(Vec16 x) {
  const __m256 s = _mm256_add_ps(x.a, x.b);
  __m128 r = _mm_add_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1));
  r = _mm_add_ps(r, _mm_movehl_ps(r, r));
  return _mm_cvtss_f32(_mm_add_ss(r, _mm_movehdup_ps(r)));
}

}  // namespace
}  // namespace maru::kernels
