#include "kernels/linear_block.neon.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q4_1_neon;
constinit const Kernel kernel_linear_q4_1_neon = {
    Op::kLinear, Isa::kNeon, "q4_1", {.linear = linear_block<kLayoutQ4_1>}};
}  // namespace maru::kernels
