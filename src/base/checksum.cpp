#include "base/checksum.h"

#include <array>
#include <bit>
#include <cstddef>
#include <cstring>

namespace maru {
namespace {

static_assert(std::endian::native == std::endian::little, "words are read as they lie in memory");

// The five primes of the specification.
constexpr uint64_t kPrime1 = 0x9E3779B185EBCA87;
constexpr uint64_t kPrime2 = 0xC2B2AE3D27D4EB4F;
constexpr uint64_t kPrime3 = 0x165667B19E3779F9;
constexpr uint64_t kPrime4 = 0x85EBCA77C2B2AE63;
constexpr uint64_t kPrime5 = 0x27D4EB2F165667C5;

constexpr size_t kLanes = 4;
constexpr size_t kStripe = kLanes * sizeof(uint64_t);

template <class Word>
uint64_t word_at(const uint8_t* p) {
  Word word;
  std::memcpy(&word, p, sizeof(word));
  return word;
}

uint64_t absorb(uint64_t lane, uint64_t word) {
  return std::rotl(lane + word * kPrime2, 31) * kPrime1;
}

uint64_t avalanche(uint64_t hash) {
  hash = (hash ^ (hash >> 33)) * kPrime2;
  hash = (hash ^ (hash >> 29)) * kPrime3;
  return hash ^ (hash >> 32);
}

}  // namespace

uint64_t checksum64(std::span<const uint8_t> bytes) {
  const uint8_t* p = bytes.data();
  const uint8_t* const end = p + bytes.size();
  uint64_t hash = kPrime5;
  if (bytes.size() >= kStripe) {
    std::array<uint64_t, kLanes> lanes = {kPrime1 + kPrime2, kPrime2, 0, 0 - kPrime1};
    for (; static_cast<size_t>(end - p) >= kStripe; p += kStripe) {
      for (size_t i = 0; i < kLanes; ++i) lanes[i] = absorb(lanes[i], word_at<uint64_t>(p + 8 * i));
    }
    hash = std::rotl(lanes[0], 1) + std::rotl(lanes[1], 7) + std::rotl(lanes[2], 12) +
           std::rotl(lanes[3], 18);
    for (const uint64_t lane : lanes) hash = (hash ^ absorb(0, lane)) * kPrime1 + kPrime4;
  }
  hash += bytes.size();
  for (; end - p >= 8; p += 8) {
    hash = std::rotl(hash ^ absorb(0, word_at<uint64_t>(p)), 27) * kPrime1 + kPrime4;
  }
  for (; end - p >= 4; p += 4) {
    hash = std::rotl(hash ^ word_at<uint32_t>(p) * kPrime1, 23) * kPrime2 + kPrime3;
  }
  for (; p != end; ++p) hash = std::rotl(hash ^ *p * kPrime5, 11) * kPrime1;
  return avalanche(hash);
}

}  // namespace maru
