#include "kernels/linear_block.avxvnni.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q6_k_avxvnni;
constinit const Kernel kernel_linear_q6_k_avxvnni = {
    Op::kLinear, Isa::kAvxVnni, "q6_k", {.linear = linear_block<kLayoutQ6K>}};
}  // namespace maru::kernels
