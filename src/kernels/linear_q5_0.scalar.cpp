#include "kernels/linear_block.scalar.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q5_0_scalar;
constinit const Kernel kernel_linear_q5_0_scalar = {
    Op::kLinear, Isa::kScalar, "q5_0", {.linear = linear_block<kLayoutQ5_0>}};
}  // namespace maru::kernels
