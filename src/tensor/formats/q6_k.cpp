#include "tensor/block_codec.h"

namespace maru::tensor {
namespace {

struct Spec {
  static constexpr BlockLayout kLayout = kernels::kLayoutQ6K;
  static constexpr size_t kBlockBytes = 210;

  static void read(const uint8_t* block, BlockFields& f) {
    f.d = kernels::load_u16(block + 208);
    f.m = 0;
    for (size_t i = 0; i < 16; ++i) f.sc[i] = static_cast<int8_t>(block[192 + i]);
    for (size_t i = 0; i < 256; ++i) {
      const int low = block[i / 128 * 64 + i % 64] >> (i % 128 / 64 * 4) & 15;
      const int high = block[128 + i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
      f.q[i] = static_cast<uint8_t>(low | high << 4);
    }
  }
};

}  // namespace

extern const BlockFormat format_q6_k;
constinit const BlockFormat format_q6_k = make_block_format<Spec>("q6_k", 14, nullptr);

}  // namespace maru::tensor
