#include "net/egress.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <atomic>

#include "net/http_client.h"
#include "net/server.h"

namespace maru::net {
namespace {

EgressList list_of(const std::vector<std::string>& entries) {
  auto list = EgressList::parse(entries);
  EXPECT_TRUE(list) << list.error().to_string();
  return *std::move(list);
}

TEST(EgressList, AllowsWhatItNamesAndNothingElse) {
  const EgressList list =
      list_of({"Hub.example", "*.cdn.example", "mirror.example:8443", "127.0.0.1:9", "[::1]:9"});
  for (const char* url :
       {"https://hub.example/a?b", "https://HUB.EXAMPLE", "https://a.cdn.example/",
        "https://a.b.cdn.example/", "https://mirror.example:8443/", "http://127.0.0.1:9/",
        "http://[::1]:9/", "https://hub.example:443/"}) {
    EXPECT_TRUE(list.check(url)) << url;
  }
  for (const char* url : {"http://hub.example/",
                          "https://hub.example:444/",
                          "https://hub.example.evil/",
                          "https://evilhub.example/",
                          "https://cdn.example/",
                          "https://evilcdn.example/",
                          "https://mirror.example/",
                          "http://127.0.0.1/",
                          "http://127.0.0.1:90/",
                          "https://evil/hub.example",
                          "https://hub.example@evil/",
                          "https://hub.example%2eevil/",
                          "https://evil#hub.example",
                          "ftp://hub.example/",
                          "file:///etc/passwd",
                          "hub.example",
                          "",
                          "gopher://hub.example/",
                          "https://user:pw@hub.example/",
                          "https://hub.example./",
                          "http://localhost:9/",
                          "http://0x7f000001:90/"}) {
    const auto target = list.check(url);
    ASSERT_FALSE(target) << url;
    EXPECT_TRUE(target.error().code == ErrorCode::kForbidden ||
                target.error().code == ErrorCode::kInvalidArgument);
  }
}

TEST(EgressList, SaysHowToAllowAHost) {
  const auto refused = list_of({}).check("https://cdn.example:8443/x?signature=secret");
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().hint.find("\"cdn.example:8443\""), std::string::npos);
  EXPECT_EQ(refused.error().to_string().find("secret"), std::string::npos);
}

TEST(EgressList, OnlyNamesInFullMayBePrivate) {
  const EgressList list = list_of({"hub.example", "*.example"});
  EXPECT_TRUE(list.check("https://hub.example/")->may_be_private);
  EXPECT_FALSE(list.check("https://other.example/")->may_be_private);
}

TEST(EgressList, RefusesEntriesThatAreNoHosts) {
  for (const char* entry :
       {"https://a", "a/b", "a:0", "a:x", "a:70000", "*", "*.", "a.*", "a b", "u@a", ":1", ""}) {
    EXPECT_FALSE(EgressList::parse({entry})) << entry;
  }
}

bool is_public(const char* text) {
  sockaddr_in v4 = {};
  v4.sin_family = AF_INET;
  if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
    return is_public_address(reinterpret_cast<const sockaddr*>(&v4));
  }
  sockaddr_in6 v6 = {};
  v6.sin6_family = AF_INET6;
  EXPECT_EQ(inet_pton(AF_INET6, text, &v6.sin6_addr), 1) << text;
  return is_public_address(reinterpret_cast<const sockaddr*>(&v6));
}

TEST(PublicAddress, IsNoneOfTheSpecialOnes) {
  for (const char* text : {"0.0.0.0",
                           "10.1.2.3",
                           "100.64.0.1",
                           "127.0.0.1",
                           "127.255.255.255",
                           "169.254.169.254",
                           "172.16.0.1",
                           "172.31.255.255",
                           "192.0.0.1",
                           "192.168.1.1",
                           "198.18.0.1",
                           "224.0.0.1",
                           "240.0.0.1",
                           "255.255.255.255",
                           "::",
                           "::1",
                           "fc00::1",
                           "fd12::1",
                           "fe80::1",
                           "ff02::1",
                           "::ffff:10.0.0.1",
                           "::ffff:127.0.0.1",
                           "64:ff9b::a00:1",
                           "2002:a00:1::",
                           "2001:db8::1",
                           "::10.0.0.1"}) {
    EXPECT_FALSE(is_public(text)) << text;
  }
  for (const char* text : {"1.1.1.1", "9.255.255.255", "11.0.0.0", "172.15.0.1", "172.32.0.1",
                           "192.167.1.1", "223.255.255.255", "2606:4700::1111", "::ffff:1.1.1.1",
                           "64:ff9b::101:101", "2002:101:101::"}) {
    EXPECT_TRUE(is_public(text)) << text;
  }
}

// A hub and a storage, two origins of loopback.
class FetchTest : public testing::Test {
 protected:
  std::unique_ptr<Server> serve(Handler handler) {
    ServerOptions options;
    options.port = 0;
    auto started = Server::start(std::move(options), std::move(handler));
    EXPECT_TRUE(started);
    return *std::move(started);
  }

  static std::string place(const Server& server) {
    return "127.0.0.1:" + std::to_string(server.port());
  }

  static ClientRequest to(const std::string& url) {
    ClientRequest request;
    request.url = url;
    return request;
  }
};

TEST_F(FetchTest, SendsTheTokenToTheFirstOriginOnly) {
  std::string seen_by_storage = "nothing";
  const auto storage = serve([&](const Request& request, const ResponseWriter& writer) {
    seen_by_storage = std::string(request.header("authorization"));
    writer.send({200, "bytes", "text/plain", {}});
  });
  const std::string target = "http://" + place(*storage) + "/blob";
  std::string seen_by_hub;
  const auto hub = serve([&](const Request& request, const ResponseWriter& writer) {
    seen_by_hub += std::string(request.header("authorization")) + ";";
    const std::string location = request.path == "/a" ? "/b" : target;
    writer.send({302, "", "text/plain", {{"Location", location}}});
  });
  const EgressList list = list_of({place(*hub), place(*storage)});
  const auto answer = fetch(to("http://" + place(*hub) + "/a"), list, "hf_secret");
  ASSERT_TRUE(answer) << answer.error().to_string();
  EXPECT_EQ(answer->body, "bytes");
  EXPECT_EQ(seen_by_hub, "Bearer hf_secret;Bearer hf_secret;");
  EXPECT_EQ(seen_by_storage, "");
}

TEST_F(FetchTest, ContactsNoHostThatIsNotListed) {
  std::atomic<int> n_calls{0};
  const auto storage = serve([&](const Request&, const ResponseWriter& writer) {
    ++n_calls;
    writer.send({200, "bytes", "text/plain", {}});
  });
  const auto hub = serve([&](const Request&, const ResponseWriter& writer) {
    writer.send({307, "", "text/plain", {{"Location", "http://" + place(*storage) + "/"}}});
  });
  const auto answer = fetch(to("http://" + place(*hub) + "/a"), list_of({place(*hub)}));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::kForbidden);
  EXPECT_EQ(n_calls, 0);
}

TEST_F(FetchTest, ConnectsToNoPrivateAddressOfANameThatAPatternAllows) {
  const auto hub = serve([&](const Request&, const ResponseWriter& writer) {
    writer.send({200, "bytes", "text/plain", {}});
  });
  const EgressTarget guard{"http", "127.0.0.1", hub->port(), false};
  ClientRequest request = to("http://" + place(*hub) + "/a");
  request.guard = &guard;
  const auto answer = send_request(request);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::kForbidden);
}

TEST_F(FetchTest, FollowsAFewRedirectsOnly) {
  std::atomic<int> n_calls{0};
  const auto hub = serve([&](const Request&, const ResponseWriter& writer) {
    ++n_calls;
    writer.send({302, "", "text/plain", {{"Location", "/again"}}});
  });
  const auto answer = fetch(to("http://" + place(*hub) + "/a"), list_of({place(*hub)}));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::kForbidden);
  EXPECT_EQ(n_calls, kMaxRedirects + 1);
}

}  // namespace
}  // namespace maru::net
