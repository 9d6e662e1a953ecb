#include "apps/server_url.h"

#include <gtest/gtest.h>

namespace maru::apps {
namespace {

TEST(ServerUrl, NamesAnAddressThatReachesTheServer) {
  EXPECT_EQ(server_url("127.0.0.1", 8080), "http://localhost:8080");
  EXPECT_EQ(server_url("0.0.0.0", 80), "http://localhost:80");
  EXPECT_EQ(server_url("::1", 1), "http://localhost:1");
  EXPECT_EQ(server_url("fe80::2", 1), "http://[fe80::2]:1");
  EXPECT_EQ(server_url("maru.example", 1), "http://maru.example:1");
}

}  // namespace
}  // namespace maru::apps
