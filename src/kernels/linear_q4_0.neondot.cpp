#include "kernels/linear_block.neon.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q4_0_neondot;
constinit const Kernel kernel_linear_q4_0_neondot = {
    Op::kLinear, Isa::kNeonDot, "q4_0", {.linear = linear_block<kLayoutQ4_0>}};
}  // namespace maru::kernels
