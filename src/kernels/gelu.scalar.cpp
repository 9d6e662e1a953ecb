#include "kernels/gelu.h"

namespace maru::kernels {
extern const Kernel kernel_gelu_scalar;
constinit const Kernel kernel_gelu_scalar = {
    Op::kGelu, Isa::kScalar, nullptr, {.gelu = gelu_in_place}};
}  // namespace maru::kernels
