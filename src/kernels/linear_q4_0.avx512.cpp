#include "kernels/linear_block.avx512.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q4_0_avx512;
constinit const Kernel kernel_linear_q4_0_avx512 = {
    Op::kLinear, Isa::kAvx512, "q4_0", {.linear = linear_block<kLayoutQ4_0>}};
}  // namespace maru::kernels
