#include "kernels/half.h"
#include "tensor/float_codec.h"

namespace maru::tensor {
namespace {

struct Spec {
  using Element = uint16_t;
  static float to_float(Element x) { return kernels::bf16_to_f32(x); }
  static Element from_float(float x) { return kernels::f32_to_bf16(x); }
};

}  // namespace

extern const BlockFormat format_bf16;
constinit const BlockFormat format_bf16 = make_float_format<Spec>("bf16", 30);

}  // namespace maru::tensor
