#include "kernels/rope.h"

namespace maru::kernels {
extern const Kernel kernel_rope_avx512;
constinit const Kernel kernel_rope_avx512 = {Op::kRope, Isa::kAvx512, nullptr, {.rope = rope}};
}  // namespace maru::kernels
