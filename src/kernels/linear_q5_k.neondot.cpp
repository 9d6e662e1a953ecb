#include "kernels/linear_block.neon.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q5_k_neondot;
constinit const Kernel kernel_linear_q5_k_neondot = {
    Op::kLinear, Isa::kNeonDot, "q5_k", {.linear = linear_block<kLayoutQ5K>}};
}  // namespace maru::kernels
