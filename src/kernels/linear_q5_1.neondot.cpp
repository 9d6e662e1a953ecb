#include "kernels/linear_block.neon.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q5_1_neondot;
constinit const Kernel kernel_linear_q5_1_neondot = {
    Op::kLinear, Isa::kNeonDot, "q5_1", {.linear = linear_block<kLayoutQ5_1>}};
}  // namespace maru::kernels
