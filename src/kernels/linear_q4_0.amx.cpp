#include "kernels/linear_block.amx.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q4_0_amx;
constinit const Kernel kernel_linear_q4_0_amx = {
    Op::kLinear, Isa::kAmx, "q4_0", {.linear = linear_block_amx<HardwareTiles, kLayoutQ4_0>}};
}  // namespace maru::kernels
