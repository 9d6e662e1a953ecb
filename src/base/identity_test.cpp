// Checksums, digests and the build id.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cctype>
#include <set>
#include <string>
#include <vector>

#include "base/build_id.h"
#include "base/checksum.h"
#include "base/sha1.h"
#include "base/sha256.h"

namespace maru {
namespace {

std::vector<uint8_t> bytes_of(const std::string& text) { return {text.begin(), text.end()}; }

// Values of the reference implementation (python: xxhash.xxh64_intdigest).
TEST(Checksum, AgreesWithTheReferenceAtEveryTail) {
  EXPECT_EQ(checksum64({}), 0xEF46DB3751D8E999u);
  EXPECT_EQ(checksum64(bytes_of("a")), 0xD24EC4F1A98C6E5Bu);
  EXPECT_EQ(checksum64(bytes_of("abc")), 0x44BC2CF5AD770999u);
  std::vector<uint8_t> counted;
  for (int i = 0; i < 100; ++i) counted.push_back(static_cast<uint8_t>(i));
  EXPECT_EQ(checksum64(std::span(counted).first(31)), 0xC346D2B59B4D8EE1u);
  EXPECT_EQ(checksum64(std::span(counted).first(32)), 0xCBF59C5116FF32B4u);
  EXPECT_EQ(checksum64(counted), 0x6AC1E58032166597u);
}

TEST(Checksum, ChangesWithEveryBitAndLength) {
  std::vector<uint8_t> bytes(77, 0);
  std::set<uint64_t> seen = {checksum64(bytes)};
  for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    bytes[bit / 8] ^= static_cast<uint8_t>(1U << (bit % 8));
    EXPECT_TRUE(seen.insert(checksum64(bytes)).second) << bit;
    bytes[bit / 8] ^= static_cast<uint8_t>(1U << (bit % 8));
  }
  for (size_t n = 0; n < bytes.size(); ++n) {
    EXPECT_TRUE(seen.insert(checksum64(std::span(bytes).first(n))).second) << n;
  }
}

std::string sha256_of(const std::string& text, size_t piece) {
  Sha256 sha;
  for (size_t at = 0; at < text.size(); at += piece) sha.add(text.substr(at, piece));
  std::string hex;
  for (const uint8_t byte : sha.finish()) hex += fmt::format("{:02x}", byte);
  return hex;
}

std::string sha1_of(const std::string& text, size_t piece) {
  Sha1 sha;
  for (size_t at = 0; at < text.size(); at += piece) sha.add(text.substr(at, piece));
  std::string hex;
  for (const uint8_t byte : sha.finish()) hex += fmt::format("{:02x}", byte);
  return hex;
}

// Values of python's hashlib; lengths around the padding's edge.
TEST(Sha1, AgreesWithTheStandard) {
  EXPECT_EQ(sha1_of("", 7), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
  EXPECT_EQ(sha1_of("abc", 7), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(sha1_of(std::string(55, 'x'), 7), "cef734ba81a024479e09eb5a75b6ddae62e6abf1");
  EXPECT_EQ(sha1_of(std::string(56, 'x'), 7), "901305367c259952f4e7af8323f480d59f81335b");
  EXPECT_EQ(sha1_of(std::string(63, 'x'), 7), "0ddc4e0cccd9a12850deb5abb0853a4425559fec");
  EXPECT_EQ(sha1_of(std::string(64, 'x'), 7), "bb2fa3ee7afb9f54c6dfb5d021f14b1ffe40c163");
  EXPECT_EQ(sha1_of(std::string(119, 'x'), 7), "4300320394f7ee239bcdce7d3b8bcee173a0cd5c");
  EXPECT_EQ(sha1_of(std::string(120, 'x'), 7), "ceb2821639c4b6dcb10bce0e522ca2e608ce056d");
  EXPECT_EQ(sha1_of(std::string(1000003, 'x'), 7), "2c79ebabe94e138f9859b037adf16fb6ecaf2996");
}

// The examples of FIPS 180-4, and lengths around the padding's edge (python: hashlib).
TEST(Sha256, AgreesWithTheStandard) {
  EXPECT_EQ(sha256_of("", 1), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_of("abc", 1),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 7),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(sha256_of(std::string(1'000'000, 'a'), 997),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  EXPECT_EQ(sha256_of(std::string(55, 'x'), 55),
            "d5e285683cd4efc02d021a5c62014694958901005d6f71e89e0989fac77e4072");
  EXPECT_EQ(sha256_of(std::string(56, 'x'), 56),
            "04c26261370ee7541549d16dee320c723e3fd14671e66a099afe0a377c16888e");
  EXPECT_EQ(sha256_of(std::string(64, 'x'), 64),
            "7ce100971f64e7001e8fe5a51973ecdfe1ced42befe7ee8d5fd6219506b5393c");
}

TEST(BuildId, IsHexadecimal) {
  const std::string id = build_id();
  EXPECT_EQ(id, build_id());
  EXPECT_EQ(id.size() % 2, 0u);
  for (const char c : id) EXPECT_TRUE(std::isxdigit(static_cast<unsigned char>(c)) != 0) << id;
}

}  // namespace
}  // namespace maru
