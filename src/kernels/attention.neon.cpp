#include "kernels/vec16.neon.h"
// The vocabulary comes first.
#include "kernels/attention_float.h"

namespace maru::kernels {

extern const Kernel kernel_attention_neon;
constinit const Kernel kernel_attention_neon = {
    Op::kAttention, Isa::kNeon, nullptr, {.attention = float_attention}};
}  // namespace maru::kernels
