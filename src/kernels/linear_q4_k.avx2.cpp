#include "kernels/linear_block.avx2.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q4_k_avx2;
constinit const Kernel kernel_linear_q4_k_avx2 = {
    Op::kLinear, Isa::kAvx2, "q4_k", {.linear = linear_block<kLayoutQ4K>}};
}  // namespace maru::kernels
