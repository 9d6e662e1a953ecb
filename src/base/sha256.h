// SHA-256 (FIPS 180-4), for names that nobody may be able to make collide.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace maru {

// Feed with add(), then call finish() once.
class Sha256 {
 public:
  void add(std::span<const uint8_t> bytes);
  void add(std::string_view text);
  void add(uint64_t number);  // eight bytes, little-endian
  std::array<uint8_t, 32> finish();

 private:
  void compress(const uint8_t* block);

  static constexpr size_t kBlock = 64;
  std::array<uint32_t, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<uint8_t, kBlock> rest_ = {};
  uint64_t n_bytes_ = 0;
};

}  // namespace maru
