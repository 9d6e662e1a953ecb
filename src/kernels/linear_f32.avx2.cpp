#include "kernels/vec16.avx2.h"
// The vocabulary comes first.
#include "kernels/linear_float.h"

namespace maru::kernels {
extern const Kernel kernel_linear_f32_avx2;
constinit const Kernel kernel_linear_f32_avx2 = {
    Op::kLinear, Isa::kAvx2, "f32", {.linear = linear_float<4, load16_f32, 1>}};
}  // namespace maru::kernels
