#include "memory/read.h"

namespace maru::bench {

// The compiler makes vector loads of this.
void read_plain(const uint8_t* data, size_t n, size_t, uint64_t* sink) {
  const auto* words = reinterpret_cast<const uint64_t*>(data);
  uint64_t sums[8] = {};
  for (size_t i = 0; i < n / 8; i += 8) {
    for (size_t j = 0; j < 8; ++j) sums[j] += words[i + j];
  }
  for (const uint64_t sum : sums) *sink += sum;
}

}  // namespace maru::bench
