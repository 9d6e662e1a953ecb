#include "kernels/linear_block.neon.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q5_k_neon;
constinit const Kernel kernel_linear_q5_k_neon = {
    Op::kLinear, Isa::kNeon, "q5_k", {.linear = linear_block<kLayoutQ5K>}};
}  // namespace maru::kernels
