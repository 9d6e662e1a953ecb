#include "kernels/linear_block.avx2.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q4_0_avx2;
constinit const Kernel kernel_linear_q4_0_avx2 = {
    Op::kLinear, Isa::kAvx2, "q4_0", {.linear = linear_block<kLayoutQ4_0>}};
}  // namespace maru::kernels
