#include "kernels/linear_block.amx.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q4_k_amx;
constinit const Kernel kernel_linear_q4_k_amx = {
    Op::kLinear, Isa::kAmx, "q4_k", {.linear = linear_block_amx<HardwareTiles, kLayoutQ4K>}};
}  // namespace maru::kernels
