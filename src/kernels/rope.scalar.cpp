#include "kernels/rope.h"

namespace maru::kernels {
extern const Kernel kernel_rope_scalar;
constinit const Kernel kernel_rope_scalar = {Op::kRope, Isa::kScalar, nullptr, {.rope = rope}};
}  // namespace maru::kernels
