#include "tensor/block_codec.h"
#include "tensor/k_scales.h"

namespace maru::tensor {
namespace {

struct Spec {
  static constexpr BlockLayout kLayout = kernels::kLayoutQ4K;
  static constexpr size_t kBlockBytes = 144;

  static void read(const uint8_t* block, BlockFields& f) {
    f.d = kernels::load_u16(block);
    f.m = kernels::load_u16(block + 2);
    read_k_scales(block + 4, f.sc, f.mn);
    for (size_t i = 0; i < 256; ++i) {
      f.q[i] = block[16 + i / 64 * 32 + i % 32] >> (i % 64 / 32 * 4) & 15;
    }
  }
};

}  // namespace

extern const BlockFormat format_q4_k;
constinit const BlockFormat format_q4_k = make_block_format<Spec>("q4_k", 12, nullptr);

}  // namespace maru::tensor
