#include "kernels/linear_block.neon.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q8_0_neondot;
constinit const Kernel kernel_linear_q8_0_neondot = {
    Op::kLinear, Isa::kNeonDot, "q8_0", {.linear = linear_block<kLayoutQ8_0>}};
}  // namespace maru::kernels
