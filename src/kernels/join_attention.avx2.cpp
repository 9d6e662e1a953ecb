#include "kernels/vec16.avx2.h"
// The vocabulary comes first.
#include "kernels/attention_walk.h"

namespace maru::kernels {
extern const Kernel kernel_join_attention_avx2;
constinit const Kernel kernel_join_attention_avx2 = {
    Op::kJoinAttention, Isa::kAvx2, nullptr, {.attention = join_attention}};
}  // namespace maru::kernels
