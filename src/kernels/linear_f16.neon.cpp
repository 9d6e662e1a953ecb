#include "kernels/vec16.neon.h"
// The vocabulary comes first.
#include "kernels/linear_float.h"

namespace maru::kernels {
extern const Kernel kernel_linear_f16_neon;
constinit const Kernel kernel_linear_f16_neon = {
    Op::kLinear, Isa::kNeon, "f16", {.linear = linear_float<2, load16_f16, 2>}};
}  // namespace maru::kernels
