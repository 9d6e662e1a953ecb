#include "kernels/linear_block.avxvnni.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q2_k_avxvnni;
constinit const Kernel kernel_linear_q2_k_avxvnni = {
    Op::kLinear, Isa::kAvxVnni, "q2_k", {.linear = linear_block<kLayoutQ2K>}};
}  // namespace maru::kernels
