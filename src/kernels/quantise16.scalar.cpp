#include "kernels/quantise16.h"

namespace maru::kernels {
extern const Kernel kernel_quantise16_scalar;
constinit const Kernel kernel_quantise16_scalar = {
    Op::kQuantise16, Isa::kScalar, nullptr, {.quantise16 = quantise16}};
}  // namespace maru::kernels
