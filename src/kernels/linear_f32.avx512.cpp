#include "kernels/vec16.avx512.h"
// The vocabulary comes first.
#include "kernels/linear_float.h"

namespace maru::kernels {
extern const Kernel kernel_linear_f32_avx512;
constinit const Kernel kernel_linear_f32_avx512 = {
    Op::kLinear, Isa::kAvx512, "f32", {.linear = linear_float<4, load16_f32, 2>}};
}  // namespace maru::kernels
