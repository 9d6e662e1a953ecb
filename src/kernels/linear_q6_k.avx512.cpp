#include "kernels/linear_block.avx512.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q6_k_avx512;
constinit const Kernel kernel_linear_q6_k_avx512 = {
    Op::kLinear, Isa::kAvx512, "q6_k", {.linear = linear_block<kLayoutQ6K>}};
}  // namespace maru::kernels
