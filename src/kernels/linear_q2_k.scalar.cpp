#include "kernels/linear_block.scalar.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q2_k_scalar;
constinit const Kernel kernel_linear_q2_k_scalar = {
    Op::kLinear, Isa::kScalar, "q2_k", {.linear = linear_block<kLayoutQ2K>}};
}  // namespace maru::kernels
