#include "kernels/linear_block.neon.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q2_k_neon;
constinit const Kernel kernel_linear_q2_k_neon = {
    Op::kLinear, Isa::kNeon, "q2_k", {.linear = linear_block<kLayoutQ2K>}};
}  // namespace maru::kernels
