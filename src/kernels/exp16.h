// exp, 2^x and tanh of sixteen floats. Include the ISA's vec16 header first.
#pragma once

namespace maru::kernels {
namespace {

// exp as in kernels/math.h, sixteen at once; below -87.3 the result is 0.
inline Vec16 exp16(Vec16 x) {
  const Vec16 clamped = min16(max16(x, broadcast16(-104.0f)), broadcast16(88.7f));
  const Vec16 n = round16(clamped * broadcast16(1.44269504f));
  const Vec16 high = fma16(n, broadcast16(-0.693359375f), clamped);
  const Vec16 r = fma16(n, broadcast16(2.12194440e-4f), high);
  Vec16 p = fma16(broadcast16(1.9875691500e-4f), r, broadcast16(1.3981999507e-3f));
  p = fma16(p, r, broadcast16(8.3334519073e-3f));
  p = fma16(p, r, broadcast16(4.1665795894e-2f));
  p = fma16(p, r, broadcast16(1.6666665459e-1f));
  p = fma16(p, r, broadcast16(5.0000001201e-1f));
  p = fma16(p, r * r, r + broadcast16(1.0f));
  return scale16(p, n);
}

// 2^x for x <= 127, relative error below 1e-7 (minimax on [-1/2, 1/2]); exactly 1 at 0, and 0 for
// anything far below.
inline Vec16 exp2_16(Vec16 x) {
  const Vec16 n = round16(x);
  const Vec16 r = x - n;
  Vec16 p = fma16(broadcast16(1.3264699374e-3f), r, broadcast16(9.6715092659e-3f));
  p = fma16(p, r, broadcast16(5.5507339537e-2f));
  p = fma16(p, r, broadcast16(2.4022242427e-1f));
  p = fma16(p, r, broadcast16(6.9314700365e-1f));
  p = fma16(p, r, broadcast16(1.0f));
  return scale16(p, n);
}

inline Vec16 sigmoid16(Vec16 x) {
  const Vec16 one = broadcast16(1.0f);
  return one / (one + exp16(zero16() - x));
}

inline Vec16 tanh16(Vec16 x) {
  const Vec16 one = broadcast16(1.0f), two = broadcast16(2.0f);
  return one - two / (one + exp16(two * x));
}

}  // namespace
}  // namespace maru::kernels
