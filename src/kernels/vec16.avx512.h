// Sixteen floats as one zmm: the vocabulary of the sources that several ISAs share.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace maru::kernels {
namespace {

struct Vec16 {
  __m512 v;
};

// Register tiles: rows by two vectors, or rows by kValueColumns vectors.
constexpr size_t kTileRows = 6;
constexpr size_t kValueColumns = 4;

inline Vec16 zero16() { return {_mm512_setzero_ps()}; }
inline Vec16 broadcast16(float x) { return {_mm512_set1_ps(x)}; }
inline Vec16 load16(const float* p) { return {_mm512_loadu_ps(p)}; }
inline void store16(float* p, Vec16 a) { _mm512_storeu_ps(p, a.v); }

inline Vec16 load16_f32(const uint8_t* p) { return {_mm512_loadu_ps(p)}; }
inline Vec16 load16_f16(const uint8_t* p) {
  return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
}
inline Vec16 load16_bf16(const uint8_t* p) {
  const __m256i half = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16))};
}
inline Vec16 load16_i8(const uint8_t* p) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return {_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes))};
}

// The first n lanes, n <= 16; the others are zero.
inline Vec16 load16_first(const float* p, size_t n) {
  return {_mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << n) - 1), p)};
}
inline void store16_first(float* p, size_t n, Vec16 a) {
  _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << n) - 1), a.v);
}

inline Vec16 operator+(Vec16 a, Vec16 b) { return {_mm512_add_ps(a.v, b.v)}; }
inline Vec16 operator-(Vec16 a, Vec16 b) { return {_mm512_sub_ps(a.v, b.v)}; }
inline Vec16 operator*(Vec16 a, Vec16 b) { return {_mm512_mul_ps(a.v, b.v)}; }
inline Vec16 operator/(Vec16 a, Vec16 b) { return {_mm512_div_ps(a.v, b.v)}; }
inline Vec16 min16(Vec16 a, Vec16 b) { return {_mm512_min_ps(a.v, b.v)}; }
inline Vec16 max16(Vec16 a, Vec16 b) { return {_mm512_max_ps(a.v, b.v)}; }
inline Vec16 fma16(Vec16 a, Vec16 b, Vec16 c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
inline Vec16 round16(Vec16 a) {
  return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
// a * 2^n for whole n; too small goes to zero.
inline Vec16 scale16(Vec16 a, Vec16 n) { return {_mm512_scalef_ps(a.v, n.v)}; }
// a where the lane's index lies in [begin, end), else b.
inline Vec16 select_lanes16(Vec16 a, Vec16 b, int begin, int end) {
  const uint32_t mask = (end <= 0    ? 0u
                         : end >= 16 ? 0xffffu
                                     : (1u << end) - 1) &
                        ~(begin <= 0    ? 0u
                          : begin >= 16 ? 0xffffu
                                        : (1u << begin) - 1);
  return {_mm512_mask_blend_ps(static_cast<__mmask16>(mask), b.v, a.v)};
}
inline float largest16(Vec16 a) { return _mm512_reduce_max_ps(a.v); }
inline float first16(Vec16 a) { return _mm512_cvtss_f32(a.v); }
inline float sum16(Vec16 a) { return _mm512_reduce_add_ps(a.v); }

}  // namespace
}  // namespace maru::kernels
