#include "kernels/linear_block.avxvnni.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q5_1_avxvnni;
constinit const Kernel kernel_linear_q5_1_avxvnni = {
    Op::kLinear, Isa::kAvxVnni, "q5_1", {.linear = linear_block<kLayoutQ5_1>}};
}  // namespace maru::kernels
