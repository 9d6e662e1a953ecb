#include "kernels/linear_block.neon.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q5_0_neon;
constinit const Kernel kernel_linear_q5_0_neon = {
    Op::kLinear, Isa::kNeon, "q5_0", {.linear = linear_block<kLayoutQ5_0>}};
}  // namespace maru::kernels
