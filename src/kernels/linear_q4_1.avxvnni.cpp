#include "kernels/linear_block.avxvnni.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q4_1_avxvnni;
constinit const Kernel kernel_linear_q4_1_avxvnni = {
    Op::kLinear, Isa::kAvxVnni, "q4_1", {.linear = linear_block<kLayoutQ4_1>}};
}  // namespace maru::kernels
