#include "kernels/linear_block.avx2.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q5_0_avx2;
constinit const Kernel kernel_linear_q5_0_avx2 = {
    Op::kLinear, Isa::kAvx2, "q5_0", {.linear = linear_block<kLayoutQ5_0>}};
}  // namespace maru::kernels
