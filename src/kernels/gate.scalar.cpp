#include "kernels/gate.h"

namespace maru::kernels {
extern const Kernel kernel_gate_scalar;
constinit const Kernel kernel_gate_scalar = {Op::kGate, Isa::kScalar, nullptr, {.gate = gate}};
}  // namespace maru::kernels
