#include "kernels/linear_block.scalar.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q4_0_scalar;
constinit const Kernel kernel_linear_q4_0_scalar = {
    Op::kLinear, Isa::kScalar, "q4_0", {.linear = linear_block<kLayoutQ4_0>}};
}  // namespace maru::kernels
