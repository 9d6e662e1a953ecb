#include "kernels/linear_block.amx.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q2_k_amx;
constinit const Kernel kernel_linear_q2_k_amx = {
    Op::kLinear, Isa::kAmx, "q2_k", {.linear = linear_block_amx<HardwareTiles, kLayoutQ2K>}};
}  // namespace maru::kernels
