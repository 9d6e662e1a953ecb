#include "base/random.h"

#include <sys/random.h>

#include <array>
#include <cerrno>

#include "base/check.h"
#include "base/sha256.h"

namespace maru {
namespace {

constexpr std::string_view kBase32 = "abcdefghijklmnopqrstuvwxyz234567";
constexpr std::string_view kBase64Url =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

// Most significant bits first; the last digit is filled up with zeros.
std::string encode(std::span<const uint8_t> bytes, std::string_view alphabet, unsigned n_bits) {
  std::string text;
  unsigned held = 0, n_held = 0;
  for (const uint8_t byte : bytes) {
    held = held << 8 | byte;
    n_held += 8;
    while (n_held >= n_bits) {
      n_held -= n_bits;
      text += alphabet[held >> n_held & ((1U << n_bits) - 1)];
    }
    held &= (1U << n_held) - 1;
  }
  if (n_held > 0) text += alphabet[held << (n_bits - n_held) & ((1U << n_bits) - 1)];
  return text;
}

}  // namespace

void fill_random(std::span<uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::getrandom(bytes.data(), bytes.size(), 0);
    MARU_CHECK(n > 0 || errno == EINTR);
    if (n > 0) bytes = bytes.subspan(static_cast<size_t>(n));
  }
}

std::string random_id(std::string_view prefix) {
  std::array<uint8_t, 16> bytes;
  fill_random(bytes);
  return std::string(prefix) + encode(bytes, kBase32, 5);
}

std::string random_secret() {
  std::array<uint8_t, 32> bytes;
  fill_random(bytes);
  return encode(bytes, kBase64Url, 6);
}

std::string sha256_hex(std::string_view text) {
  Sha256 sum;
  sum.add(text);
  const std::array<uint8_t, 32> digest = sum.finish();
  return encode(digest, "0123456789abcdef", 4);
}

}  // namespace maru
