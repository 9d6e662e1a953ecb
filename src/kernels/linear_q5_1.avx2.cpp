#include "kernels/linear_block.avx2.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q5_1_avx2;
constinit const Kernel kernel_linear_q5_1_avx2 = {
    Op::kLinear, Isa::kAvx2, "q5_1", {.linear = linear_block<kLayoutQ5_1>}};
}  // namespace maru::kernels
