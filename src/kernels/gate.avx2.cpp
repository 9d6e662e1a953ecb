#include "kernels/vec16.avx2.h"
// The vocabulary comes first.
#include "kernels/gate_simd.h"

namespace maru::kernels {
extern const Kernel kernel_gate_avx2;
constinit const Kernel kernel_gate_avx2 = {Op::kGate, Isa::kAvx2, nullptr, {.gate = gate_simd}};
}  // namespace maru::kernels
