#include "kernels/vec16.avx512.h"
// The vocabulary comes first.
#include "kernels/attention_walk.h"

namespace maru::kernels {
extern const Kernel kernel_join_attention_avx512;
constinit const Kernel kernel_join_attention_avx512 = {
    Op::kJoinAttention, Isa::kAvx512, nullptr, {.attention = join_attention}};
}  // namespace maru::kernels
