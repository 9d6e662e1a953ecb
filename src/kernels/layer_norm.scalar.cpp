#include "kernels/layer_norm.h"

namespace maru::kernels {
extern const Kernel kernel_layer_norm_scalar;
constinit const Kernel kernel_layer_norm_scalar = {
    Op::kLayerNorm, Isa::kScalar, nullptr, {.layer_norm = layer_norm}};
}  // namespace maru::kernels
