#include "kernels/linear_block.amx.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q5_k_amx;
constinit const Kernel kernel_linear_q5_k_amx = {
    Op::kLinear, Isa::kAmx, "q5_k", {.linear = linear_block_amx<HardwareTiles, kLayoutQ5K>}};
}  // namespace maru::kernels
