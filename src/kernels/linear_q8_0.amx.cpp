#include "kernels/linear_block.amx.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q8_0_amx;
constinit const Kernel kernel_linear_q8_0_amx = {
    Op::kLinear, Isa::kAmx, "q8_0", {.linear = linear_block_amx<HardwareTiles, kLayoutQ8_0>}};
}  // namespace maru::kernels
