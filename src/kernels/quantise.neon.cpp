// Float rows to int8 blocks; the same bits as quantise.scalar.cpp.
#include <arm_neon.h>

#include "kernels/quantise_rows.h"

namespace maru::kernels {
namespace {

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
  const auto [scale, inverse] = scale_of(largest);
  const int8x16_t halves[2] = {round_to_bytes(v, inverse), round_to_bytes(v + 4, inverse)};
  uint32_t dwords[8];
  vst1q_u32(dwords, vreinterpretq_u32_s8(halves[0]));
  vst1q_u32(dwords + 4, vreinterpretq_u32_s8(halves[1]));
  put_quants(to, b, t, dwords);
  put_sums(to, b, t, scale, vaddlvq_s8(halves[0]), vaddlvq_s8(halves[1]));
}

}  // namespace

extern const Kernel kernel_quantise_neon;
constinit const Kernel kernel_quantise_neon = {
    Op::kQuantise, Isa::kNeon, nullptr, {.quantise = quantise_rows<quantise_block>}};

}  // namespace maru::kernels
