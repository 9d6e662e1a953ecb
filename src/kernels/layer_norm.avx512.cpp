#include "kernels/layer_norm.h"

namespace maru::kernels {
extern const Kernel kernel_layer_norm_avx512;
constinit const Kernel kernel_layer_norm_avx512 = {
    Op::kLayerNorm, Isa::kAvx512, nullptr, {.layer_norm = layer_norm}};
}  // namespace maru::kernels
