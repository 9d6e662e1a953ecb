#include "api/credential.h"

#include <gtest/gtest.h>

#include "api/endpoint.h"

namespace maru::api {
namespace {

net::Request with(std::vector<net::Header> headers, std::string method = "GET") {
  net::Request request;
  request.method = std::move(method);
  request.headers = std::move(headers);
  return request;
}

TEST(Credential, IsOneBearerKey) {
  for (const char* good : {"Bearer k", "bearer k", "BEARER k"}) {
    const auto credential = read_credential(with({{"Authorization", good}}));
    ASSERT_TRUE(credential) << good;
    EXPECT_EQ(credential->key, "k");
  }
  for (const char* bad : {"", "k", "Bearer", "Bearer ", "Basic k", "Bearerk", "Bearer\tk"}) {
    EXPECT_FALSE(read_credential(with({{"authorization", bad}}))) << bad;
  }
  EXPECT_FALSE(
      read_credential(with({{"Authorization", "Bearer k"}, {"authorization", "Bearer k"}})));
}

TEST(Credential, ComesFromOneCookieToo) {
  const auto credential = read_credential(
      with({{"Cookie", "a=1; maru_session=token; b"}, {"X-CSRF-Token", "c"}}, "DELETE"));
  ASSERT_TRUE(credential);
  EXPECT_EQ(credential->session_token, "token");
  EXPECT_EQ(credential->csrf_token, "c");
  EXPECT_TRUE(credential->changes);
  EXPECT_TRUE(read_credential(with({{"cookie", "xmaru_session=t"}}))->session_token.empty());
  EXPECT_FALSE(read_credential(with({{"cookie", "maru_session=a; maru_session=b"}})));
  EXPECT_FALSE(read_credential(with({{"cookie", "maru_session=a"}, {"Cookie", "maru_session=b"}})));
  EXPECT_FALSE(read_credential(with({}))->changes);
}

TEST(Credential, TheCookieIsForThisServerAndNoScript) {
  EXPECT_EQ(session_cookie("t", false).value,
            "maru_session=t; Path=/; HttpOnly; SameSite=Lax; Max-Age=2592000");
  EXPECT_TRUE(session_cookie("t", true).value.ends_with("; Secure"));
  EXPECT_NE(session_cookie("", false).value.find("Max-Age=0"), std::string::npos);
  EXPECT_TRUE(came_by_https(with({{"X-Forwarded-Proto", "https"}})));
  EXPECT_TRUE(came_by_https(with({{"Origin", "https://maru.example"}})));
  EXPECT_FALSE(came_by_https(with({{"Origin", "http://maru.example"}})));
}

service::Identity person(service::Role role, service::Scopes scopes) {
  service::Identity identity;
  identity.user_id = "user_x";
  identity.role = role;
  identity.scopes = scopes;
  return identity;
}

TEST(Access, WantsTheScopeAndTheRole) {
  using service::Role;
  const Access look{Who::kAuditor, Scope::kAdmin};
  const auto code = [&](const service::Identity& who) {
    const Status status = check_access(look, who);
    return status ? "" : error_code_name(status.error().code);
  };
  EXPECT_STREQ(code(person(Role::kAdmin, {Scope::kAdmin})), "");
  EXPECT_STREQ(code(person(Role::kAuditor, {Scope::kAdmin})), "");
  EXPECT_STREQ(code(person(Role::kMember, {Scope::kAdmin})), "forbidden");
  EXPECT_STREQ(code(person(Role::kAdmin, {Scope::kInference})), "forbidden");
  service::Identity anybody;
  anybody.scopes = service::Scopes::all();
  EXPECT_STREQ(code(anybody), "unauthenticated");
  EXPECT_TRUE(check_access({Who::kCaller, Scope::kInference}, anybody));
  EXPECT_TRUE(check_access(kPublic, {}));
  service::Identity by_settings = person(Role::kAdmin, service::Scopes::all());
  by_settings.user_id.clear();
  by_settings.key_id = "static_1";
  EXPECT_STREQ(code(by_settings), "forbidden");
}

TEST(Dispatch, TakesArgumentsBySegments) {
  const Match rule = find_endpoint("PUT", "/api/admin/groups/g/rules/model/org/name");
  ASSERT_TRUE(rule.endpoint);
  EXPECT_EQ(rule.path_arguments, (std::vector<std::string>{"g", "model", "org/name"}));
  EXPECT_EQ(find_endpoint("GET", "/api/admin/users/a/b").endpoint, nullptr);
  EXPECT_EQ(find_endpoint("GET", "/api/admin/users/").endpoint, nullptr);
  EXPECT_STREQ(find_endpoint("POST", "/api/me/keys/k/rotate").endpoint->name, "me_key_rotate");
}

}  // namespace
}  // namespace maru::api
