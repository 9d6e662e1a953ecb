#include "kernels/linear_block.neon.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q4_0_neon;
constinit const Kernel kernel_linear_q4_0_neon = {
    Op::kLinear, Isa::kNeon, "q4_0", {.linear = linear_block<kLayoutQ4_0>}};
}  // namespace maru::kernels
