#include "kernels/linear_block.i8mm.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q5_0_i8mm;
constinit const Kernel kernel_linear_q5_0_i8mm = {
    Op::kLinear, Isa::kI8mm, "q5_0", {.linear = linear_block_i8mm<kLayoutQ5_0>}};
}  // namespace maru::kernels
