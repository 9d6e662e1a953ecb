#include "kernels/linear_block.avx512.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q8_0_avx512;
constinit const Kernel kernel_linear_q8_0_avx512 = {
    Op::kLinear, Isa::kAvx512, "q8_0", {.linear = linear_block<kLayoutQ8_0>}};
}  // namespace maru::kernels
