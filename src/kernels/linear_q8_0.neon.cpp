#include "kernels/linear_block.neon.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q8_0_neon;
constinit const Kernel kernel_linear_q8_0_neon = {
    Op::kLinear, Isa::kNeon, "q8_0", {.linear = linear_block<kLayoutQ8_0>}};
}  // namespace maru::kernels
