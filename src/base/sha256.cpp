#include "base/sha256.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace maru {
namespace {

constexpr size_t kRounds = 64;

// The first 32 bits of the fractions of the cube roots of the first 64 primes.
constexpr std::array<uint32_t, kRounds> kRoundConstants = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

uint32_t big_endian(const uint8_t* p) {
  return uint32_t{p[0]} << 24 | uint32_t{p[1]} << 16 | uint32_t{p[2]} << 8 | uint32_t{p[3]};
}

}  // namespace

void Sha256::compress(const uint8_t* block) {
  std::array<uint32_t, kRounds> w;  // NOLINT(*-member-init): filled below
  for (size_t t = 0; t < 16; ++t) w[t] = big_endian(block + 4 * t);
  for (size_t t = 16; t < kRounds; ++t) {
    const uint32_t a = w[t - 15], b = w[t - 2];
    const uint32_t sigma0 = std::rotr(a, 7) ^ std::rotr(a, 18) ^ (a >> 3);
    const uint32_t sigma1 = std::rotr(b, 17) ^ std::rotr(b, 19) ^ (b >> 10);
    w[t] = w[t - 16] + sigma0 + w[t - 7] + sigma1;
  }
  auto [a, b, c, d, e, f, g, h] = state_;
  for (size_t t = 0; t < kRounds; ++t) {
    const uint32_t sum1 = std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25);
    const uint32_t t1 = h + sum1 + ((e & f) ^ (~e & g)) + kRoundConstants[t] + w[t];
    const uint32_t sum0 = std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22);
    const uint32_t t2 = sum0 + ((a & b) ^ (a & c) ^ (b & c));
    h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
  }
  const std::array<uint32_t, 8> add = {a, b, c, d, e, f, g, h};
  for (size_t i = 0; i < add.size(); ++i) state_[i] += add[i];
}

void Sha256::add(std::span<const uint8_t> bytes) {
  while (!bytes.empty()) {
    const size_t n_held = n_bytes_ % kBlock;
    if (n_held == 0 && bytes.size() >= kBlock) {
      compress(bytes.data());
      n_bytes_ += kBlock;
      bytes = bytes.subspan(kBlock);
      continue;
    }
    const size_t n = std::min(bytes.size(), kBlock - n_held);
    std::memcpy(rest_.data() + n_held, bytes.data(), n);
    n_bytes_ += n;
    bytes = bytes.subspan(n);
    if (n_bytes_ % kBlock == 0) compress(rest_.data());
  }
}

void Sha256::add(std::string_view text) {
  add({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

void Sha256::add(uint64_t number) {
  std::array<uint8_t, 8> bytes;  // NOLINT(*-member-init): filled below
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(number >> (8 * i));
  add(bytes);
}

std::array<uint8_t, 32> Sha256::finish() {
  const uint64_t n_bits = n_bytes_ * 8;
  std::array<uint8_t, kBlock + 9> end = {0x80};
  const size_t n_zeros = (kBlock + 56 - 1 - n_bytes_ % kBlock) % kBlock;
  for (size_t i = 0; i < 8; ++i) {
    end[1 + n_zeros + i] = static_cast<uint8_t>(n_bits >> (56 - 8 * i));
  }
  add({end.data(), 1 + n_zeros + 8});
  std::array<uint8_t, 32> digest;  // NOLINT(*-member-init): filled below
  for (size_t i = 0; i < digest.size(); ++i) {
    digest[i] = static_cast<uint8_t>(state_[i / 4] >> (24 - 8 * (i % 4)));
  }
  return digest;
}

}  // namespace maru
