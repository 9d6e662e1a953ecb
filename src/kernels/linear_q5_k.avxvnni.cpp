#include "kernels/linear_block.avxvnni.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q5_k_avxvnni;
constinit const Kernel kernel_linear_q5_k_avxvnni = {
    Op::kLinear, Isa::kAvxVnni, "q5_k", {.linear = linear_block<kLayoutQ5K>}};
}  // namespace maru::kernels
