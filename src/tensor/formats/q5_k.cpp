#include "tensor/block_codec.h"
#include "tensor/k_scales.h"

namespace maru::tensor {
namespace {

struct Spec {
  static constexpr BlockLayout kLayout = kernels::kLayoutQ5K;
  static constexpr size_t kBlockBytes = 176;

  static void read(const uint8_t* block, BlockFields& f) {
    f.d = kernels::load_u16(block);
    f.m = kernels::load_u16(block + 2);
    read_k_scales(block + 4, f.sc, f.mn);
    for (size_t i = 0; i < 256; ++i) {
      const int low = block[48 + i / 64 * 32 + i % 32] >> (i % 64 / 32 * 4) & 15;
      const int high = block[16 + i % 32] >> (i / 32) & 1;
      f.q[i] = static_cast<uint8_t>(low | high << 4);
    }
  }
};

}  // namespace

extern const BlockFormat format_q5_k;
constinit const BlockFormat format_q5_k = make_block_format<Spec>("q5_k", 13, nullptr);

}  // namespace maru::tensor
