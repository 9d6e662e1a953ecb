#include "tensor/block_codec.h"
#include "tensor/quantise_simple.h"

namespace maru::tensor {
namespace {

struct Spec {
  static constexpr BlockLayout kLayout = kernels::kLayoutQ5_1;
  static constexpr size_t kBlockBytes = 24;

  static void read(const uint8_t* block, BlockFields& f) {
    f.d = kernels::load_u16(block);
    f.m = kernels::load_u16(block + 2);
    read_nibbles(block + 8, f.q);
    read_fifth_bits(block + 4, f.q);
  }
};

void quantise(const float* x, uint8_t* blocks, size_t n) {
  for (size_t i = 0; i < n; i += 32, blocks += Spec::kBlockBytes) {
    const QuantisedBlock block = quantise_affine(x + i, 5);
    std::memcpy(blocks, &block.d, 2);
    std::memcpy(blocks + 2, &block.m, 2);
    write_fifth_bits(block.q, blocks + 4);
    write_nibbles(block.q, blocks + 8);
  }
}

}  // namespace

extern const BlockFormat format_q5_1;
constinit const BlockFormat format_q5_1 = make_block_format<Spec>("q5_1", 7, quantise);

}  // namespace maru::tensor
