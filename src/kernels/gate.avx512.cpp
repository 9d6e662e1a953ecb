#include "kernels/vec16.avx512.h"
// The vocabulary comes first.
#include "kernels/gate_simd.h"

namespace maru::kernels {
extern const Kernel kernel_gate_avx512;
constinit const Kernel kernel_gate_avx512 = {Op::kGate, Isa::kAvx512, nullptr, {.gate = gate_simd}};
}  // namespace maru::kernels
