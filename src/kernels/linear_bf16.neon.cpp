#include "kernels/vec16.neon.h"
// The vocabulary comes first.
#include "kernels/linear_float.h"

namespace maru::kernels {
extern const Kernel kernel_linear_bf16_neon;
constinit const Kernel kernel_linear_bf16_neon = {
    Op::kLinear, Isa::kNeon, "bf16", {.linear = linear_float<2, load16_bf16, 2>}};
}  // namespace maru::kernels
