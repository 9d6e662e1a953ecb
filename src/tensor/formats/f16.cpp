#include "kernels/half.h"
#include "tensor/float_codec.h"

namespace maru::tensor {
namespace {

struct Spec {
  using Element = uint16_t;
  static float to_float(Element x) { return kernels::f16_to_f32(x); }
  static Element from_float(float x) { return kernels::f32_to_f16(x); }
};

}  // namespace

extern const BlockFormat format_f16;
constinit const BlockFormat format_f16 = make_float_format<Spec>("f16", 1);

}  // namespace maru::tensor
