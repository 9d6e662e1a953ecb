#include "tensor/block_codec.h"
#include "tensor/quantise_simple.h"

namespace maru::tensor {
namespace {

struct Spec {
  static constexpr BlockLayout kLayout = kernels::kLayoutQ8_0;
  static constexpr size_t kBlockBytes = 34;

  static void read(const uint8_t* block, BlockFields& f) {
    f.d = kernels::load_u16(block);
    f.m = 0;
    for (size_t i = 0; i < 32; ++i) f.q[i] = block[2 + i] ^ 0x80;  // int8 -> value + 128
  }
};

void quantise(const float* x, uint8_t* blocks, size_t n) {
  for (size_t i = 0; i < n; i += 32, blocks += Spec::kBlockBytes) {
    float peak = 0;
    for (size_t j = 0; j < 32; ++j) peak = std::max(peak, std::fabs(x[i + j]));
    const float d = peak / 127.0f;
    const float inverse = d != 0 ? 1.0f / d : 0.0f;
    const uint16_t half = kernels::f32_to_f16(d);
    std::memcpy(blocks, &half, 2);
    for (size_t j = 0; j < 32; ++j) {
      blocks[2 + j] = static_cast<uint8_t>(static_cast<int>(std::round(x[i + j] * inverse)));
    }
  }
}

}  // namespace

extern const BlockFormat format_q8_0;
constinit const BlockFormat format_q8_0 = make_block_format<Spec>("q8_0", 8, quantise);

}  // namespace maru::tensor
