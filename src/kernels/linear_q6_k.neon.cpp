#include "kernels/linear_block.neon.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q6_k_neon;
constinit const Kernel kernel_linear_q6_k_neon = {
    Op::kLinear, Isa::kNeon, "q6_k", {.linear = linear_block<kLayoutQ6K>}};
}  // namespace maru::kernels
