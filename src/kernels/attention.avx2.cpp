#include "kernels/vec16.avx2.h"
// The vocabulary comes first.
#include "kernels/attention_float.h"

namespace maru::kernels {

extern const Kernel kernel_attention_avx2;
constinit const Kernel kernel_attention_avx2 = {
    Op::kAttention, Isa::kAvx2, nullptr, {.attention = float_attention}};
}  // namespace maru::kernels
