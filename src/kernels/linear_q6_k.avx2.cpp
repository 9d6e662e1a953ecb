#include "kernels/linear_block.avx2.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q6_k_avx2;
constinit const Kernel kernel_linear_q6_k_avx2 = {
    Op::kLinear, Isa::kAvx2, "q6_k", {.linear = linear_block<kLayoutQ6K>}};
}  // namespace maru::kernels
