#include "kernels/linear_block.avxvnni.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q4_k_avxvnni;
constinit const Kernel kernel_linear_q4_k_avxvnni = {
    Op::kLinear, Isa::kAvxVnni, "q4_k", {.linear = linear_block<kLayoutQ4K>}};
}  // namespace maru::kernels
