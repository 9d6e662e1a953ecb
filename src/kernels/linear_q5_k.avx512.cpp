#include "kernels/linear_block.avx512.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q5_k_avx512;
constinit const Kernel kernel_linear_q5_k_avx512 = {
    Op::kLinear, Isa::kAvx512, "q5_k", {.linear = linear_block<kLayoutQ5K>}};
}  // namespace maru::kernels
