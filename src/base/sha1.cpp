#include "base/sha1.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace maru {

void Sha1::compress() {
  std::array<uint32_t, 80> w;  // NOLINT(*-member-init): filled below
  for (size_t t = 0; t < 16; ++t) {
    const uint8_t* p = &block_[4 * t];
    w[t] = uint32_t{p[0]} << 24 | uint32_t{p[1]} << 16 | uint32_t{p[2]} << 8 | uint32_t{p[3]};
  }
  for (size_t t = 16; t < w.size(); ++t) {
    w[t] = std::rotl(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
  }
  auto [a, b, c, d, e] = state_;
  for (size_t t = 0; t < w.size(); ++t) {
    uint32_t f = 0, k = 0;
    if (t < 20) {
      f = (b & c) | (~b & d), k = 0x5a827999;
    } else if (t < 40) {
      f = b ^ c ^ d, k = 0x6ed9eba1;
    } else if (t < 60) {
      f = (b & c) | (b & d) | (c & d), k = 0x8f1bbcdc;
    } else {
      f = b ^ c ^ d, k = 0xca62c1d6;
    }
    const uint32_t next = std::rotl(a, 5) + f + e + k + w[t];
    e = d, d = c, c = std::rotl(b, 30), b = a, a = next;
  }
  const std::array<uint32_t, 5> add = {a, b, c, d, e};
  for (size_t i = 0; i < add.size(); ++i) state_[i] += add[i];
}

void Sha1::add(std::span<const uint8_t> bytes) {
  while (!bytes.empty()) {
    const size_t n_held = n_bytes_ % kBlock;
    const size_t n = std::min(bytes.size(), kBlock - n_held);
    std::memcpy(&block_[n_held], bytes.data(), n);
    n_bytes_ += n;
    bytes = bytes.subspan(n);
    if (n_bytes_ % kBlock == 0) compress();
  }
}

void Sha1::add(std::string_view text) {
  add({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

std::array<uint8_t, 20> Sha1::finish() {
  const uint64_t n_bits = n_bytes_ * 8;
  std::array<uint8_t, kBlock + 8> end = {0x80};
  const size_t n_pad = 1 + (2 * kBlock - 9 - n_bytes_ % kBlock) % kBlock;
  std::array<uint8_t, 8> count;  // NOLINT(*-member-init): filled below
  for (size_t i = 0; i < 8; ++i) count[i] = static_cast<uint8_t>(n_bits >> (56 - 8 * i));
  add({end.data(), n_pad});
  add(count);
  std::array<uint8_t, 20> digest;  // NOLINT(*-member-init): filled below
  for (size_t i = 0; i < digest.size(); ++i) {
    digest[i] = static_cast<uint8_t>(state_[i / 4] >> (24 - 8 * (i % 4)));
  }
  return digest;
}

}  // namespace maru
