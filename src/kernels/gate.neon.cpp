#include "kernels/vec16.neon.h"
// The vocabulary comes first.
#include "kernels/gate_simd.h"

namespace maru::kernels {
extern const Kernel kernel_gate_neon;
constinit const Kernel kernel_gate_neon = {Op::kGate, Isa::kNeon, nullptr, {.gate = gate_simd}};
}  // namespace maru::kernels
