#include "kernels/gelu.h"

namespace maru::kernels {
extern const Kernel kernel_gelu_avx512;
constinit const Kernel kernel_gelu_avx512 = {
    Op::kGelu, Isa::kAvx512, nullptr, {.gelu = gelu_in_place}};
}  // namespace maru::kernels
