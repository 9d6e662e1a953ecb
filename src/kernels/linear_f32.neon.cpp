#include "kernels/vec16.neon.h"
// The vocabulary comes first.
#include "kernels/linear_float.h"

namespace maru::kernels {
extern const Kernel kernel_linear_f32_neon;
constinit const Kernel kernel_linear_f32_neon = {
    Op::kLinear, Isa::kNeon, "f32", {.linear = linear_float<4, load16_f32, 2>}};
}  // namespace maru::kernels
