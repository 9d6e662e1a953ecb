#include "tensor/block_codec.h"
#include "tensor/quantise_simple.h"

namespace maru::tensor {
namespace {

struct Spec {
  static constexpr BlockLayout kLayout = kernels::kLayoutQ4_0;
  static constexpr size_t kBlockBytes = 18;

  static void read(const uint8_t* block, BlockFields& f) {
    f.d = kernels::load_u16(block);
    f.m = 0;
    read_nibbles(block + 2, f.q);
  }
};

void quantise(const float* x, uint8_t* blocks, size_t n) {
  for (size_t i = 0; i < n; i += 32, blocks += Spec::kBlockBytes) {
    const QuantisedBlock block = quantise_symmetric(x + i, 4);
    std::memcpy(blocks, &block.d, 2);
    write_nibbles(block.q, blocks + 2);
  }
}

}  // namespace

extern const BlockFormat format_q4_0;
constinit const BlockFormat format_q4_0 = make_block_format<Spec>("q4_0", 2, quantise);

}  // namespace maru::tensor
