#include "tensor/block_codec.h"

namespace maru::tensor {
namespace {

struct Spec {
  static constexpr BlockLayout kLayout = kernels::kLayoutQ2K;
  static constexpr size_t kBlockBytes = 84;

  static void read(const uint8_t* block, BlockFields& f) {
    f.d = kernels::load_u16(block + 80);
    f.m = kernels::load_u16(block + 82);
    for (size_t i = 0; i < 16; ++i) {
      f.sc[i] = static_cast<int8_t>(block[i] & 15);
      f.mn[i] = static_cast<int8_t>(block[i] >> 4);
    }
    for (size_t i = 0; i < 256; ++i) {
      f.q[i] = block[16 + i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
    }
  }
};

}  // namespace

extern const BlockFormat format_q2_k;
constinit const BlockFormat format_q2_k = make_block_format<Spec>("q2_k", 10, nullptr);

}  // namespace maru::tensor
