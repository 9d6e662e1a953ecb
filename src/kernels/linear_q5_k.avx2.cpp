#include "kernels/linear_block.avx2.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q5_k_avx2;
constinit const Kernel kernel_linear_q5_k_avx2 = {
    Op::kLinear, Isa::kAvx2, "q5_k", {.linear = linear_block<kLayoutQ5K>}};
}  // namespace maru::kernels
