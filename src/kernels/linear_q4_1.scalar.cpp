#include "kernels/linear_block.scalar.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q4_1_scalar;
constinit const Kernel kernel_linear_q4_1_scalar = {
    Op::kLinear, Isa::kScalar, "q4_1", {.linear = linear_block<kLayoutQ4_1>}};
}  // namespace maru::kernels
