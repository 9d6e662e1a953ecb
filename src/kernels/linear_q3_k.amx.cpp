#include "kernels/linear_block.amx.h"

namespace maru::kernels {
extern const Kernel kernel_linear_q3_k_amx;
constinit const Kernel kernel_linear_q3_k_amx = {
    Op::kLinear, Isa::kAmx, "q3_k", {.linear = linear_block_amx<HardwareTiles, kLayoutQ3K>}};
}  // namespace maru::kernels
