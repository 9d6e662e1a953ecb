#include "net/target.h"

#include <gtest/gtest.h>

namespace maru::net {
namespace {

TEST(Target, SplitsAndDecodes) {
  const auto target = parse_target("/v1/models/org%2Fname%20x?a=%20b");
  ASSERT_TRUE(target);
  EXPECT_EQ(target->path, "/v1/models/org/name x");
  EXPECT_EQ(target->query, "a=%20b");
  EXPECT_EQ(target->authority, "");
}

TEST(Target, TakesTheAbsoluteForm) {
  const auto target = parse_target("HTTP://localhost:8080/health");
  ASSERT_TRUE(target);
  EXPECT_EQ(target->path, "/health");
  EXPECT_EQ(target->authority, "localhost:8080");
  const auto bare = parse_target("http://a?x=1");
  ASSERT_TRUE(bare);
  EXPECT_EQ(bare->path, "/");
  EXPECT_EQ(bare->query, "x=1");
}

TEST(Target, RefusesWhatIsNoPath) {
  for (const char* bad :
       {"", "v1", "http:///x", "/%", "/%4", "/%zz", "/a%00b", "/a%0d%0a", "/%ff", "ftp://x/y"}) {
    EXPECT_FALSE(parse_target(bad)) << bad;
  }
}

}  // namespace
}  // namespace maru::net
