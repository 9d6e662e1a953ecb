#include "kernels/linear_block.scalar.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q5_k_scalar;
constinit const Kernel kernel_linear_q5_k_scalar = {
    Op::kLinear, Isa::kScalar, "q5_k", {.linear = linear_block<kLayoutQ5K>}};
}  // namespace maru::kernels
