#include "kernels/linear_block.i8mm.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q5_1_i8mm;
constinit const Kernel kernel_linear_q5_1_i8mm = {
    Op::kLinear, Isa::kI8mm, "q5_1", {.linear = linear_block_i8mm<kLayoutQ5_1>}};
}  // namespace maru::kernels
