#include "kernels/rope.h"

namespace maru::kernels {
extern const Kernel kernel_rope_avx2;
constinit const Kernel kernel_rope_avx2 = {Op::kRope, Isa::kAvx2, nullptr, {.rope = rope}};
}  // namespace maru::kernels
