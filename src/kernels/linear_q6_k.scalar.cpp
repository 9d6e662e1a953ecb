#include "kernels/linear_block.scalar.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q6_k_scalar;
constinit const Kernel kernel_linear_q6_k_scalar = {
    Op::kLinear, Isa::kScalar, "q6_k", {.linear = linear_block<kLayoutQ6K>}};
}  // namespace maru::kernels
