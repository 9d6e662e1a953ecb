#include "kernels/quantise16.h"

namespace maru::kernels {
extern const Kernel kernel_quantise16_avx2;
constinit const Kernel kernel_quantise16_avx2 = {
    Op::kQuantise16, Isa::kAvx2, nullptr, {.quantise16 = quantise16}};
}  // namespace maru::kernels
