#include "kernels/vec16.neon.h"
// The vocabulary comes first.
#include "kernels/attention_walk.h"

namespace maru::kernels {
extern const Kernel kernel_join_attention_neon;
constinit const Kernel kernel_join_attention_neon = {
    Op::kJoinAttention, Isa::kNeon, nullptr, {.attention = join_attention}};
}  // namespace maru::kernels
