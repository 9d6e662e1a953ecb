#include "kernels/vec16.neon.h"
// The vocabulary comes first.
#include "kernels/sum_logits_simd.h"

namespace maru::kernels {
extern const Kernel kernel_sum_logits_neon;
constinit const Kernel kernel_sum_logits_neon = {
    Op::kSumLogits, Isa::kNeon, nullptr, {.sum_logits = sum_logit_blocks<sum_block>}};
}  // namespace maru::kernels
