#include "kernels/vec16.avx512.h"
// The vocabulary comes first.
#include "kernels/linear_float.h"

namespace maru::kernels {
extern const Kernel kernel_linear_bf16_avx512;
constinit const Kernel kernel_linear_bf16_avx512 = {
    Op::kLinear, Isa::kAvx512, "bf16", {.linear = linear_float<2, load16_bf16, 2>}};
}  // namespace maru::kernels
