#include "kernels/vec16.avx512.h"
// The vocabulary comes first.
#include "kernels/attention_fixed.avx512.h"
#include "kernels/attention_float.h"

namespace maru::kernels {
namespace {

void attention(const AttentionArgs& a) {
  switch (a.kv.type) {
    case KvType::kF32: return attend<FloatWalk, KvType::kF32>(a);
    case KvType::kF16: return attend<FixedWalk, KvType::kF16>(a);
    case KvType::kQ8: return attend<FixedWalk, KvType::kQ8>(a);
  }
}

}  // namespace

extern const Kernel kernel_attention_avx512;
constinit const Kernel kernel_attention_avx512 = {
    Op::kAttention, Isa::kAvx512, nullptr, {.attention = attention}};
}  // namespace maru::kernels
