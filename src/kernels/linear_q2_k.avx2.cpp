#include "kernels/linear_block.avx2.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q2_k_avx2;
constinit const Kernel kernel_linear_q2_k_avx2 = {
    Op::kLinear, Isa::kAvx2, "q2_k", {.linear = linear_block<kLayoutQ2K>}};
}  // namespace maru::kernels
