#include "kernels/rms_norm.h"

namespace maru::kernels {
extern const Kernel kernel_rms_norm_avx512;
constinit const Kernel kernel_rms_norm_avx512 = {
    Op::kRmsNorm, Isa::kAvx512, nullptr, {.rms_norm = rms_norm}};
}  // namespace maru::kernels
