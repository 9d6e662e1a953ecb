// Compiled with the flags of AVX-512 (src/tensor/CMakeLists.txt).
#include "tensor/test_amx_kernels.h"

#include "kernels/amx_tile_model.h"
#include "kernels/linear_block.amx.h"

namespace maru::kernels {
namespace {

template <BlockLayout L>
constexpr Kernel model_kernel(const char* layout) {
  return {Op::kLinear, Isa::kAmx, layout, {.linear = linear_block_amx<ModelTiles, L>}};
}

constexpr Kernel kModelKernels[] = {
    model_kernel<kLayoutQ4_0>("q4_0"), model_kernel<kLayoutQ4_1>("q4_1"),
    model_kernel<kLayoutQ5_0>("q5_0"), model_kernel<kLayoutQ5_1>("q5_1"),
    model_kernel<kLayoutQ8_0>("q8_0"), model_kernel<kLayoutQ2K>("q2_k"),
    model_kernel<kLayoutQ3K>("q3_k"),  model_kernel<kLayoutQ4K>("q4_k"),
    model_kernel<kLayoutQ5K>("q5_k"),  model_kernel<kLayoutQ6K>("q6_k"),
};

}  // namespace

std::span<const Kernel> amx_model_kernels() { return kModelKernels; }

}  // namespace maru::kernels
