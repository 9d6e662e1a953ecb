#include "kernels/linear_float.scalar.h"

namespace maru::kernels {
namespace {
struct Element {
  static constexpr size_t kSize = 4;
  static float load(const uint8_t* p) {
    float x;
    __builtin_memcpy(&x, p, sizeof x);
    return x;
  }
};
}  // namespace

extern const Kernel kernel_linear_f32_scalar;
constinit const Kernel kernel_linear_f32_scalar = {
    Op::kLinear, Isa::kScalar, "f32", {.linear = linear_float<Element>}};
}  // namespace maru::kernels
