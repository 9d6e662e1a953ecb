#include "kernels/quantise16.h"

namespace maru::kernels {
extern const Kernel kernel_quantise16_avx512;
constinit const Kernel kernel_quantise16_avx512 = {
    Op::kQuantise16, Isa::kAvx512, nullptr, {.quantise16 = quantise16}};
}  // namespace maru::kernels
