// Dropped in by tests/extension: double weights, a block format that Maru does not ship.
#include "tensor/float_codec.h"

namespace maru::tensor {
namespace {

struct Spec {
  using Element = double;
  static float to_float(Element x) { return static_cast<float>(x); }
  static Element from_float(float x) { return static_cast<double>(x); }
};

}  // namespace

extern const BlockFormat format_f64;
constinit const BlockFormat format_f64 = make_float_format<Spec>("f64", 28);

}  // namespace maru::tensor
