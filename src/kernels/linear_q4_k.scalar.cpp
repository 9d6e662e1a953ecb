#include "kernels/linear_block.scalar.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q4_k_scalar;
constinit const Kernel kernel_linear_q4_k_scalar = {
    Op::kLinear, Isa::kScalar, "q4_k", {.linear = linear_block<kLayoutQ4K>}};
}  // namespace maru::kernels
