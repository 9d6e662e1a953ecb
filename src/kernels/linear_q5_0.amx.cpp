#include "kernels/linear_block.amx.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q5_0_amx;
constinit const Kernel kernel_linear_q5_0_amx = {
    Op::kLinear, Isa::kAmx, "q5_0", {.linear = linear_block_amx<HardwareTiles, kLayoutQ5_0>}};
}  // namespace maru::kernels
