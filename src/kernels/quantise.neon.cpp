// Float rows to int8 blocks; the same bits as quantise.scalar.cpp.
#include <arm_neon.h>

#include "kernels/activations.h"
#include "kernels/kernel_api.h"

namespace maru::kernels {
namespace {

template <class T>
void put(uint8_t* to, T x) {
  __builtin_memcpy(to, &x, sizeof x);
}

// 16 floats times `factor`, to the nearest integers, ties to even.
inline int8x16_t round_to_bytes(const float32x4_t* x, float factor) {
  int16x4_t part[4];
  for (size_t i = 0; i < 4; ++i) part[i] = vmovn_s32(vcvtnq_s32_f32(vmulq_n_f32(x[i], factor)));
  return vcombine_s8(vmovn_s16(vcombine_s16(part[0], part[1])),
                     vmovn_s16(vcombine_s16(part[2], part[3])));
}

void quantise_block(const float* x, const ActivationGroup<uint8_t>& to, size_t b, size_t t) {
  float32x4_t v[8];
  for (size_t i = 0; i < 8; ++i) v[i] = vld1q_f32(x + i * 4);
  float32x4_t peak = vabsq_f32(v[0]);
  for (size_t i = 1; i < 8; ++i) peak = vmaxq_f32(peak, vabsq_f32(v[i]));
  const float largest = vmaxvq_f32(peak);
  const bool is_zero = largest < 1e-30f;
  const float scale = is_zero ? 0.0f : largest / 127.0f;
  const float inverse = is_zero ? 0.0f : 127.0f / largest;
  const int8x16_t halves[2] = {round_to_bytes(v, inverse), round_to_bytes(v + 4, inverse)};
  uint32_t dwords[8];
  vst1q_u32(dwords, vreinterpretq_u32_s8(halves[0]));
  vst1q_u32(dwords + 4, vreinterpretq_u32_s8(halves[1]));
  uint8_t* quants = to.quants + (b * 8 * to.width + t) * 4;
  for (size_t i = 0; i < 8; ++i) put(quants + i * to.width * 4, dwords[i]);
  const int16_t sums[2] = {vaddlvq_s8(halves[0]), vaddlvq_s8(halves[1])};
  const size_t at = (b * to.width + t) * 4;
  put(to.scales + at, scale);
  put(to.half_sums + at, sums[0]);
  put(to.half_sums + at + 2, sums[1]);
  put(to.sums + at, scale * static_cast<float>(sums[0] + sums[1]));
}

void quantise(const QuantiseArgs& a) {
  for (size_t first = a.row_begin; first < a.row_end; first += kActRowGroup) {
    const auto to = activation_group(static_cast<uint8_t*>(a.out), a.n_rows, a.k, first);
    for (size_t t = 0; t < to.width; ++t) {
      const float* x = a.x + (first + t) * a.ld_x;
      for (size_t b = 0; b < a.k / kActBlock; ++b) quantise_block(x + b * kActBlock, to, b, t);
    }
  }
}

}  // namespace

extern const Kernel kernel_quantise_neon;
constinit const Kernel kernel_quantise_neon = {
    Op::kQuantise, Isa::kNeon, nullptr, {.quantise = quantise}};

}  // namespace maru::kernels
