#include "kernels/linear_block.amx.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q6_k_amx;
constinit const Kernel kernel_linear_q6_k_amx = {
    Op::kLinear, Isa::kAmx, "q6_k", {.linear = linear_block_amx<HardwareTiles, kLayoutQ6K>}};
}  // namespace maru::kernels
