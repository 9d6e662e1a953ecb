#include "kernels/rms_norm.h"

namespace maru::kernels {
extern const Kernel kernel_rms_norm_scalar;
constinit const Kernel kernel_rms_norm_scalar = {
    Op::kRmsNorm, Isa::kScalar, nullptr, {.rms_norm = rms_norm}};
}  // namespace maru::kernels
