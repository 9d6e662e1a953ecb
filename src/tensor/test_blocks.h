// Random blocks and the true product, shared by the tests of this layer.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "tensor/format.h"

namespace maru::tensor {

using Random = std::mt19937;

inline std::vector<float> random_floats(size_t n, Random& random) {
  std::normal_distribution<float> normal;
  std::vector<float> x(n);
  for (float& v : x) v = normal(random);
  return x;
}

// Blocks of random bytes whose values are neither all tiny nor large: works for every format, also
// for those that cannot quantise.
inline std::vector<uint8_t> random_blocks(const BlockFormat& format, size_t n, Random& random) {
  std::vector<uint8_t> blocks(format_bytes(format, n));
  std::vector<float> values(format.block_values);
  for (size_t at = 0; at < blocks.size(); at += format.block_bytes) {
    float peak = 0;
    do {
      for (size_t i = 0; i < format.block_bytes; ++i) {
        blocks[at + i] = static_cast<uint8_t>(random());
      }
      format.dequantise(blocks.data() + at, values.data(), format.block_values);
      peak = 0;
      for (float v : values) peak = std::isfinite(v) ? std::max(peak, std::fabs(v)) : INFINITY;
    } while (!(peak > 0.02f && peak < 50.0f));
  }
  return blocks;
}

}  // namespace maru::tensor
