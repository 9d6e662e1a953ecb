#include "kernels/linear_block.neon.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q4_k_neon;
constinit const Kernel kernel_linear_q4_k_neon = {
    Op::kLinear, Isa::kNeon, "q4_k", {.linear = linear_block<kLayoutQ4K>}};
}  // namespace maru::kernels
