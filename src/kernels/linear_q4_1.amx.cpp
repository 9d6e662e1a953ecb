#include "kernels/linear_block.amx.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q4_1_amx;
constinit const Kernel kernel_linear_q4_1_amx = {
    Op::kLinear, Isa::kAmx, "q4_1", {.linear = linear_block_amx<HardwareTiles, kLayoutQ4_1>}};
}  // namespace maru::kernels
