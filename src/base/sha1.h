// SHA-1 (FIPS 180-4), only for names that git gave: two files can be made that share one, so it
// proves no more than that a download was not damaged.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace maru {

// Feed with add(), then call finish() once.
class Sha1 {
 public:
  void add(std::span<const uint8_t> bytes);
  void add(std::string_view text);
  std::array<uint8_t, 20> finish();

 private:
  void compress();

  static constexpr size_t kBlock = 64;
  std::array<uint32_t, 5> state_ = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
  std::array<uint8_t, kBlock> block_ = {};
  uint64_t n_bytes_ = 0;
};

}  // namespace maru
