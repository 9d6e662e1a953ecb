#include "kernels/linear_block.neon.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q3_k_neon;
constinit const Kernel kernel_linear_q3_k_neon = {
    Op::kLinear, Isa::kNeon, "q3_k", {.linear = linear_block<kLayoutQ3K>}};
}  // namespace maru::kernels
