#include "kernels/linear_block.neon.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q2_k_neondot;
constinit const Kernel kernel_linear_q2_k_neondot = {
    Op::kLinear, Isa::kNeonDot, "q2_k", {.linear = linear_block<kLayoutQ2K>}};
}  // namespace maru::kernels
