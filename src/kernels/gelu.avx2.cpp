#include "kernels/gelu.h"

namespace maru::kernels {
extern const Kernel kernel_gelu_avx2;
constinit const Kernel kernel_gelu_avx2 = {Op::kGelu, Isa::kAvx2, nullptr, {.gelu = gelu_in_place}};
}  // namespace maru::kernels
