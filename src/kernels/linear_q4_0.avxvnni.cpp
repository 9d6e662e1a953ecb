#include "kernels/linear_block.avxvnni.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q4_0_avxvnni;
constinit const Kernel kernel_linear_q4_0_avxvnni = {
    Op::kLinear, Isa::kAvxVnni, "q4_0", {.linear = linear_block<kLayoutQ4_0>}};
}  // namespace maru::kernels
