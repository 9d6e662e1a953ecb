#include "kernels/linear_block.scalar.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q3_k_scalar;
constinit const Kernel kernel_linear_q3_k_scalar = {
    Op::kLinear, Isa::kScalar, "q3_k", {.linear = linear_block<kLayoutQ3K>}};
}  // namespace maru::kernels
