#include "kernels/linear_block.avx2.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q8_0_avx2;
constinit const Kernel kernel_linear_q8_0_avx2 = {
    Op::kLinear, Isa::kAvx2, "q8_0", {.linear = linear_block<kLayoutQ8_0>}};
}  // namespace maru::kernels
