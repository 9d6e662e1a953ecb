#include "kernels/linear_block.avx512.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q3_k_avx512;
constinit const Kernel kernel_linear_q3_k_avx512 = {
    Op::kLinear, Isa::kAvx512, "q3_k", {.linear = linear_block<kLayoutQ3K>}};
}  // namespace maru::kernels
