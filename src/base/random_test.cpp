#include "base/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace maru {
namespace {

TEST(Random, IdsHaveTheirPrefixAndNeverRepeat) {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    const std::string id = random_id("user_");
    EXPECT_TRUE(id.starts_with("user_"));
    EXPECT_EQ(id.size(), 5u + 26u);
    EXPECT_EQ(id.find_first_not_of("abcdefghijklmnopqrstuvwxyz234567", 5), std::string::npos);
    EXPECT_TRUE(seen.insert(id).second);
  }
}

TEST(Random, SecretsAreBase64UrlAndUseAllOfIt) {
  std::set<char> letters;
  for (int i = 0; i < 200; ++i) {
    const std::string secret = random_secret();
    EXPECT_EQ(secret.size(), 43u);
    letters.insert(secret.begin(), secret.end());
  }
  EXPECT_EQ(letters.size(), 64u);
  EXPECT_TRUE(letters.contains('-') && letters.contains('_'));
}

TEST(Random, HashIsSha256) {
  EXPECT_EQ(sha256_hex("abc"),  // FIPS 180-4's example
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace maru
