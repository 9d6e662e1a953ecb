#include "kernels/vec16.avx2.h"
// The vocabulary comes first.
#include "kernels/sum_logits_simd.h"

namespace maru::kernels {
extern const Kernel kernel_sum_logits_avx2;
constinit const Kernel kernel_sum_logits_avx2 = {
    Op::kSumLogits, Isa::kAvx2, nullptr, {.sum_logits = sum_logit_blocks<sum_block>}};
}  // namespace maru::kernels
