#include "kernels/linear_block.neon.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q5_0_neondot;
constinit const Kernel kernel_linear_q5_0_neondot = {
    Op::kLinear, Isa::kNeonDot, "q5_0", {.linear = linear_block<kLayoutQ5_0>}};
}  // namespace maru::kernels
