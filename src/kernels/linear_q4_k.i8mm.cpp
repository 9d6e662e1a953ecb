#include "kernels/linear_block.i8mm.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q4_k_i8mm;
constinit const Kernel kernel_linear_q4_k_i8mm = {
    Op::kLinear, Isa::kI8mm, "q4_k", {.linear = linear_block_i8mm<kLayoutQ4K>}};
}  // namespace maru::kernels
