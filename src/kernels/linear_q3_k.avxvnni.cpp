#include "kernels/linear_block.avxvnni.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q3_k_avxvnni;
constinit const Kernel kernel_linear_q3_k_avxvnni = {
    Op::kLinear, Isa::kAvxVnni, "q3_k", {.linear = linear_block<kLayoutQ3K>}};
}  // namespace maru::kernels
