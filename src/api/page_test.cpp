#include "api/page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace maru::api {
namespace {

constexpr PageFile kFiles[] = {
    {"/", "text/html; charset=utf-8", "aa", false, {0, 4}, {4, 2}, {6, 1}},
    {"/assets/x-1.woff2", "font/woff2", "bb", true, {7, 3}, {}, {}},
};
const PageBundle kBundle{kFiles, "htmlgzbwof"};

net::Response ask(const PageFile& file, std::vector<net::Header> headers) {
  net::Request request;
  request.method = "GET";
  request.headers = std::move(headers);
  return page_response(kBundle, file, request);
}

std::string header(const net::Response& response, std::string_view name) {
  for (const net::Header& one : response.headers) {
    if (one.name == name) return one.value;
  }
  return "";
}

TEST(Page, IsSentInTheEncodingThatTheBrowserTakes) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "html"},           {"gzip", "gz"},          {"gzip, deflate, br, zstd", "b"},
      {"br;q=0, GZIP", "gz"}, {"br;q=0.5, gzip", "b"}, {"gzip;q=0.000", "html"},
      {"brotli", "html"},     {" , ,;;q", "html"}};
  for (const auto& [accepted, body] : cases) {
    EXPECT_EQ(ask(kFiles[0], {{"Accept-Encoding", accepted}}).body, body) << accepted;
  }
  EXPECT_EQ(ask(kFiles[1], {{"Accept-Encoding", "br, gzip"}}).body, "wof");
}

TEST(Page, IsNotSentAgain) {
  const net::Response first = ask(kFiles[0], {{"Accept-Encoding", "br"}});
  EXPECT_EQ(first.status, 200);
  EXPECT_EQ(header(first, "Content-Encoding"), "br");
  for (const std::string& known : {header(first, "ETag"), "W/" + header(first, "ETag"),
                                   "\"x\", " + header(first, "ETag"), std::string("*")}) {
    const net::Response again =
        ask(kFiles[0], {{"Accept-Encoding", "br"}, {"If-None-Match", known}});
    EXPECT_EQ(again.status, 304) << known;
    EXPECT_EQ(again.body, "");
  }
  EXPECT_EQ(ask(kFiles[0], {{"If-None-Match", header(first, "ETag")}}).status, 200);
}

TEST(Page, RunsNothingButItsOwnFiles) {
  const std::string policy = header(ask(kFiles[0], {}), "Content-Security-Policy");
  EXPECT_THAT(policy, testing::HasSubstr("default-src 'none'"));
  EXPECT_THAT(policy, testing::HasSubstr("frame-ancestors 'none'"));
  EXPECT_THAT(policy, testing::HasSubstr("require-trusted-types-for 'script'"));
  EXPECT_THAT(policy, testing::Not(testing::HasSubstr("unsafe")));
  EXPECT_THAT(policy, testing::Not(testing::HasSubstr("http")));
  EXPECT_EQ(header(ask(kFiles[0], {}), "X-Content-Type-Options"), "nosniff");
}

TEST(Page, NamedByItsContentIsKeptForEver) {
  EXPECT_THAT(header(ask(kFiles[1], {}), "Cache-Control"), testing::HasSubstr("immutable"));
  EXPECT_EQ(header(ask(kFiles[0], {}), "Cache-Control"), "no-cache");
}

TEST(Page, IsFoundByItsWholePath) {
  EXPECT_EQ(kBundle.find("/assets/x-1.woff2"), &kFiles[1]);
  EXPECT_EQ(kBundle.find("/assets/x-1.woff"), nullptr);
  EXPECT_EQ(kBundle.find(""), nullptr);
}

}  // namespace
}  // namespace maru::api
