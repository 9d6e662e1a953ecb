#include "kernels/linear_block.scalar.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q8_0_scalar;
constinit const Kernel kernel_linear_q8_0_scalar = {
    Op::kLinear, Isa::kScalar, "q8_0", {.linear = linear_block<kLayoutQ8_0>}};
}  // namespace maru::kernels
