// Dropped in by tests/extension: the kernel of the dropped-in format f64.
#include "kernels/linear_float.scalar.h"

namespace maru::kernels {
namespace {
struct Element {
  static constexpr size_t kSize = 8;
  static float load(const uint8_t* p) {
    double x;
    __builtin_memcpy(&x, p, sizeof x);
    return static_cast<float>(x);
  }
};
}  // namespace

extern const Kernel kernel_linear_f64_scalar;
constinit const Kernel kernel_linear_f64_scalar = {
    Op::kLinear, Isa::kScalar, "f64", {.linear = linear_float<Element>}};
}  // namespace maru::kernels
