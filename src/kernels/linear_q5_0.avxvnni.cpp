#include "kernels/linear_block.avxvnni.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q5_0_avxvnni;
constinit const Kernel kernel_linear_q5_0_avxvnni = {
    Op::kLinear, Isa::kAvxVnni, "q5_0", {.linear = linear_block<kLayoutQ5_0>}};
}  // namespace maru::kernels
