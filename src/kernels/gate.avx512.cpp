#include "kernels/gate.h"

namespace maru::kernels {
extern const Kernel kernel_gate_avx512;
constinit const Kernel kernel_gate_avx512 = {Op::kGate, Isa::kAvx512, nullptr, {.gate = gate}};
}  // namespace maru::kernels
