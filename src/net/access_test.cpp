#include "net/access.h"

#include <gtest/gtest.h>

namespace maru::net {
namespace {

Request from(std::string host, std::string origin = "") {
  Request request;
  request.host = std::move(host);
  if (!origin.empty()) request.headers.push_back({"Origin", origin});
  return request;
}

TEST(Access, KnowsLoopback) {
  for (const char* yes :
       {"localhost", "LOCALHOST", "127.0.0.1", "127.8.9.1", "::1", "[::1]", "::ffff:127.0.0.1"}) {
    EXPECT_TRUE(is_loopback_host(yes)) << yes;
  }
  for (const char* no : {"", "0.0.0.0", "::", "10.0.0.1", "127.0.0.1.evil.example", "128.0.0.1",
                         "localhost.evil.example", "1270.0.0.1"}) {
    EXPECT_FALSE(is_loopback_host(no)) << no;
  }
}

TEST(Access, AnswersOnlyForKnownHosts) {
  const AccessPolicy access({"127.0.0.1", 8080, {"maru.example", "proxy.example:9000"}, {}});
  for (const char* yes : {"localhost:8080", "LocalHost:8080", "127.0.0.1:8080", "[::1]:8080",
                          "maru.example", "MARU.example:1234", "proxy.example:9000"}) {
    EXPECT_TRUE(access.check_site(from(yes))) << yes;
  }
  for (const char* no :
       {"", "localhost", "localhost:8081", "127.0.0.1", "evil.example", "evil.example:8080",
        "localhost.evil.example:8080", "127.0.0.1.evil.example:8080", "proxy.example",
        "proxy.example:9001", "localhost:", "localhost:80801", "localhost:8080x", "[::1",
        "10.0.0.1:8080", "::1:8080", "localhost:8080@evil.example"}) {
    const Status status = access.check_site(from(no));
    ASSERT_FALSE(status) << no;
    EXPECT_EQ(status.error().code, ErrorCode::kForbidden);
  }
}

TEST(Access, AnswersOnlyForKnownOrigins) {
  const AccessPolicy access({"127.0.0.1", 8080, {"maru.example"}, {"https://chat.example"}});
  for (const char* yes :
       {"http://localhost:8080", "http://127.0.0.1:8080", "http://[::1]:8080",
        "https://maru.example", "http://maru.example:3000", "https://chat.example"}) {
    EXPECT_TRUE(access.check_site(from("localhost:8080", yes))) << yes;
  }
  for (const char* no :
       {"null", "http://evil.example", "https://localhost", "http://localhost:3000", "file://",
        "http://localhost:8080.evil.example", "chrome-extension://abc", "http://chat.example",
        "https://chat.example:444", "http://"}) {
    EXPECT_FALSE(access.check_site(from("localhost:8080", no))) << no;
  }
  Request empty_origin = from("localhost:8080");
  empty_origin.headers.push_back({"origin", ""});
  EXPECT_FALSE(access.check_site(empty_origin));
  Request two = from("localhost:8080", "http://localhost:8080");
  two.headers.push_back({"origin", "http://evil.example"});
  EXPECT_FALSE(access.check_site(two));
}

TEST(Access, PortEightyMayBeLeftOut) {
  const AccessPolicy access({"127.0.0.1", 80, {}, {}});
  EXPECT_TRUE(access.check_site(from("localhost")));
  EXPECT_TRUE(access.check_site(from("localhost", "http://localhost")));
}

TEST(Access, ComparesWholeKeys) {
  EXPECT_TRUE(equal_in_constant_time("abc", "abc"));
  EXPECT_TRUE(equal_in_constant_time("", ""));
  for (const auto& [a, b] :
       {std::pair{"abc", "abd"}, {"abc", "ab"}, {"", "a"}, {"a", ""}, {"abab", "ab"}}) {
    EXPECT_FALSE(equal_in_constant_time(a, b)) << a << b;
  }
}

}  // namespace
}  // namespace maru::net
