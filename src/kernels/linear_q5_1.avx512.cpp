#include "kernels/linear_block.avx512.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q5_1_avx512;
constinit const Kernel kernel_linear_q5_1_avx512 = {
    Op::kLinear, Isa::kAvx512, "q5_1", {.linear = linear_block<kLayoutQ5_1>}};
}  // namespace maru::kernels
