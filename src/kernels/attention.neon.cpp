#include "kernels/vec16.neon.h"
// The vocabulary comes first.
#include "kernels/attention_float.h"

namespace maru::kernels {
namespace {

void attention(const AttentionArgs& a) {
  switch (a.kv.type) {
    case KvType::kF32: return attend<FloatWalk, KvType::kF32>(a);
    case KvType::kF16: return attend<FloatWalk, KvType::kF16>(a);
    case KvType::kQ8: return attend<FloatWalk, KvType::kQ8>(a);
  }
}

}  // namespace

extern const Kernel kernel_attention_neon;
constinit const Kernel kernel_attention_neon = {
    Op::kAttention, Isa::kNeon, nullptr, {.attention = attention}};
}  // namespace maru::kernels
