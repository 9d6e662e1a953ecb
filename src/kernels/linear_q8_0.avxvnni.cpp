#include "kernels/linear_block.avxvnni.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q8_0_avxvnni;
constinit const Kernel kernel_linear_q8_0_avxvnni = {
    Op::kLinear, Isa::kAvxVnni, "q8_0", {.linear = linear_block<kLayoutQ8_0>}};
}  // namespace maru::kernels
