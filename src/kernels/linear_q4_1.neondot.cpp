#include "kernels/linear_block.neon.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q4_1_neondot;
constinit const Kernel kernel_linear_q4_1_neondot = {
    Op::kLinear, Isa::kNeonDot, "q4_1", {.linear = linear_block<kLayoutQ4_1>}};
}  // namespace maru::kernels
