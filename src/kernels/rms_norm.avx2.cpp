#include "kernels/rms_norm.h"

namespace maru::kernels {
extern const Kernel kernel_rms_norm_avx2;
constinit const Kernel kernel_rms_norm_avx2 = {
    Op::kRmsNorm, Isa::kAvx2, nullptr, {.rms_norm = rms_norm}};
}  // namespace maru::kernels
