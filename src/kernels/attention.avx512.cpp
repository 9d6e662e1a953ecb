#include "kernels/vec16.avx512.h"
// The vocabulary comes first.
#include "kernels/attention.h"

namespace maru::kernels {
extern const Kernel kernel_attention_avx512;
constinit const Kernel kernel_attention_avx512 = {
    Op::kAttention, Isa::kAvx512, nullptr, {.attention = attention}};
}  // namespace maru::kernels
