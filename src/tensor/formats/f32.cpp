#include "tensor/float_codec.h"

namespace maru::tensor {
namespace {

struct Spec {
  using Element = float;
  static float to_float(Element x) { return x; }
  static Element from_float(float x) { return x; }
};

}  // namespace

extern const BlockFormat format_f32;
constinit const BlockFormat format_f32 = make_float_format<Spec>("f32", 0);

}  // namespace maru::tensor
