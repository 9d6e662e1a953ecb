#include "kernels/gate.h"

namespace maru::kernels {
extern const Kernel kernel_gate_avx2;
constinit const Kernel kernel_gate_avx2 = {Op::kGate, Isa::kAvx2, nullptr, {.gate = gate}};
}  // namespace maru::kernels
