// Sixteen floats as four quadwords: the vocabulary of the sources that several ISAs share.
#pragma once

#include <arm_neon.h>

#include <cstddef>
#include <cstdint>

namespace maru::kernels {
namespace {

struct Vec16 {
  float32x4_t a, b, c, d;
};

// Register tiles: rows by two vectors, or rows by kValueColumns vectors. Two times two are sixteen
// of the 32 registers.
constexpr size_t kTileRows = 2;
constexpr size_t kValueColumns = 2;

inline Vec16 broadcast16(float x) {
  const float32x4_t v = vdupq_n_f32(x);
  return {v, v, v, v};
}
inline Vec16 zero16() { return broadcast16(0); }
inline Vec16 load16(const float* p) {
  return {vld1q_f32(p), vld1q_f32(p + 4), vld1q_f32(p + 8), vld1q_f32(p + 12)};
}
inline void store16(float* p, Vec16 x) {
  vst1q_f32(p, x.a);
  vst1q_f32(p + 4, x.b);
  vst1q_f32(p + 8, x.c);
  vst1q_f32(p + 12, x.d);
}

inline float32x4_t load4_f32(const uint8_t* p) { return vreinterpretq_f32_u8(vld1q_u8(p)); }
inline float32x4_t load4_f16(const uint8_t* p) {
  return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(p)));
}
inline float32x4_t load4_bf16(const uint8_t* p) {
  return vreinterpretq_f32_u32(vshll_n_u16(vreinterpret_u16_u8(vld1_u8(p)), 16));
}
inline Vec16 load16_f32(const uint8_t* p) {
  return {load4_f32(p), load4_f32(p + 16), load4_f32(p + 32), load4_f32(p + 48)};
}
inline Vec16 load16_f16(const uint8_t* p) {
  return {load4_f16(p), load4_f16(p + 8), load4_f16(p + 16), load4_f16(p + 24)};
}
inline Vec16 load16_bf16(const uint8_t* p) {
  return {load4_bf16(p), load4_bf16(p + 8), load4_bf16(p + 16), load4_bf16(p + 24)};
}

inline Vec16 load16_i8(const uint8_t* p) {
  const int8x16_t bytes = vreinterpretq_s8_u8(vld1q_u8(p));
  const int16x8_t low = vmovl_s8(vget_low_s8(bytes)), high = vmovl_high_s8(bytes);
  return {vcvtq_f32_s32(vmovl_s16(vget_low_s16(low))), vcvtq_f32_s32(vmovl_high_s16(low)),
          vcvtq_f32_s32(vmovl_s16(vget_low_s16(high))), vcvtq_f32_s32(vmovl_high_s16(high))};
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

inline Vec16 operator+(Vec16 x, Vec16 y) { return {x.a + y.a, x.b + y.b, x.c + y.c, x.d + y.d}; }
inline Vec16 operator-(Vec16 x, Vec16 y) { return {x.a - y.a, x.b - y.b, x.c - y.c, x.d - y.d}; }
inline Vec16 operator*(Vec16 x, Vec16 y) { return {x.a * y.a, x.b * y.b, x.c * y.c, x.d * y.d}; }
inline Vec16 operator/(Vec16 x, Vec16 y) { return {x.a / y.a, x.b / y.b, x.c / y.c, x.d / y.d}; }
inline Vec16 min16(Vec16 x, Vec16 y) {
  return {vminq_f32(x.a, y.a), vminq_f32(x.b, y.b), vminq_f32(x.c, y.c), vminq_f32(x.d, y.d)};
}
inline Vec16 max16(Vec16 x, Vec16 y) {
  return {vmaxq_f32(x.a, y.a), vmaxq_f32(x.b, y.b), vmaxq_f32(x.c, y.c), vmaxq_f32(x.d, y.d)};
}
inline Vec16 fma16(Vec16 x, Vec16 y, Vec16 z) {
  return {vfmaq_f32(z.a, x.a, y.a), vfmaq_f32(z.b, x.b, y.b), vfmaq_f32(z.c, x.c, y.c),
          vfmaq_f32(z.d, x.d, y.d)};
}
inline Vec16 round16(Vec16 x) {
  return {vrndnq_f32(x.a), vrndnq_f32(x.b), vrndnq_f32(x.c), vrndnq_f32(x.d)};
}
// a * 2^n for whole n <= 254, as two factors because one would overflow at 128; too small goes to
// zero.
inline float32x4_t scale4(float32x4_t x, float32x4_t n) {
  const int32x4_t whole = vcvtq_s32_f32(vmaxq_f32(n, vdupq_n_f32(-252.0f)));
  const int32x4_t bias = vdupq_n_s32(127);
  const int32x4_t half = vshrq_n_s32(whole, 1);
  const int32x4_t low = vshlq_n_s32(vaddq_s32(half, bias), 23);
  const int32x4_t high = vshlq_n_s32(vaddq_s32(vsubq_s32(whole, half), bias), 23);
  return vmulq_f32(vmulq_f32(x, vreinterpretq_f32_s32(low)), vreinterpretq_f32_s32(high));
}
inline Vec16 scale16(Vec16 x, Vec16 n) {
  return {scale4(x.a, n.a), scale4(x.b, n.b), scale4(x.c, n.c), scale4(x.d, n.d)};
}
inline float32x4_t select4(float32x4_t x, float32x4_t y, int begin, int end) {
  const int32x4_t lane = {0, 1, 2, 3};
  const uint32x4_t inside =
      vandq_u32(vcgeq_s32(lane, vdupq_n_s32(begin)), vcltq_s32(lane, vdupq_n_s32(end)));
  return vbslq_f32(inside, x, y);
}
// x where the lane's index lies in [begin, end), else y.
inline Vec16 select_lanes16(Vec16 x, Vec16 y, int begin, int end) {
  return {select4(x.a, y.a, begin, end), select4(x.b, y.b, begin - 4, end - 4),
          select4(x.c, y.c, begin - 8, end - 8), select4(x.d, y.d, begin - 12, end - 12)};
}
inline float largest16(Vec16 x) {
  return vmaxvq_f32(vmaxq_f32(vmaxq_f32(x.a, x.b), vmaxq_f32(x.c, x.d)));
}
inline float first16(Vec16 x) { return vgetq_lane_f32(x.a, 0); }
inline float sum16(Vec16 x) {
  return vaddvq_f32(vaddq_f32(vaddq_f32(x.a, x.b), vaddq_f32(x.c, x.d)));
}

}  // namespace
}  // namespace maru::kernels
