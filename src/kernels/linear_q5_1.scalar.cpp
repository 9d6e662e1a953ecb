#include "kernels/linear_block.scalar.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q5_1_scalar;
constinit const Kernel kernel_linear_q5_1_scalar = {
    Op::kLinear, Isa::kScalar, "q5_1", {.linear = linear_block<kLayoutQ5_1>}};
}  // namespace maru::kernels
