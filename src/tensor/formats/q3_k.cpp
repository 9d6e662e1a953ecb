#include "tensor/block_codec.h"

namespace maru::tensor {
namespace {

struct Spec {
  static constexpr BlockLayout kLayout = kernels::kLayoutQ3K;
  static constexpr size_t kBlockBytes = 110;

  static void read(const uint8_t* block, BlockFields& f) {
    const uint8_t* quants = block + 32;
    const uint8_t* scales = block + 96;
    f.d = kernels::load_u16(block + 108);
    f.m = 0;
    for (size_t i = 0; i < 16; ++i) {
      const int low = scales[i % 8] >> (i / 8 * 4) & 15;
      const int high = scales[8 + i % 4] >> (i / 4 * 2) & 3;
      f.sc[i] = static_cast<int8_t>((low | high << 4) - 32);
    }
    for (size_t i = 0; i < 256; ++i) {
      const int low = quants[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
      const int high = block[i % 32] >> (i / 32) & 1;
      f.q[i] = static_cast<uint8_t>(low | high << 2);
    }
  }
};

}  // namespace

extern const BlockFormat format_q3_k;
constinit const BlockFormat format_q3_k = make_block_format<Spec>("q3_k", 11, nullptr);

}  // namespace maru::tensor
