#include "kernels/linear_float.scalar.h"

namespace maru::kernels {
namespace {
struct Element {
  static constexpr size_t kSize = 2;
  static float load(const uint8_t* p) { return load_f16(p); }
};
}  // namespace

extern const Kernel kernel_linear_f16_scalar;
constinit const Kernel kernel_linear_f16_scalar = {
    Op::kLinear, Isa::kScalar, "f16", {.linear = linear_float<Element>}};
}  // namespace maru::kernels
