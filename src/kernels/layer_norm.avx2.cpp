#include "kernels/layer_norm.h"

namespace maru::kernels {
extern const Kernel kernel_layer_norm_avx2;
constinit const Kernel kernel_layer_norm_avx2 = {
    Op::kLayerNorm, Isa::kAvx2, nullptr, {.layer_norm = layer_norm}};
}  // namespace maru::kernels
