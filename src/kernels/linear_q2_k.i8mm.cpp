#include "kernels/linear_block.i8mm.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q2_k_i8mm;
constinit const Kernel kernel_linear_q2_k_i8mm = {
    Op::kLinear, Isa::kI8mm, "q2_k", {.linear = linear_block_i8mm<kLayoutQ2K>}};
}  // namespace maru::kernels
