// The client against this layer's own server on loopback.
#include "net/http_client.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <thread>

#include "net/server.h"

namespace maru::net {
namespace {

using namespace std::chrono_literals;

class HttpClientTest : public testing::Test {
 protected:
  void serve(Handler handler) {
    ServerOptions options;
    options.port = 0;
    auto started = Server::start(std::move(options), std::move(handler));
    ASSERT_TRUE(started) << started.error().message;
    server_ = *std::move(started);
  }

  ClientRequest to(const std::string& path) const {
    ClientRequest request;
    request.url = "http://127.0.0.1:" + std::to_string(server_->port()) + path;
    return request;
  }

  std::unique_ptr<Server> server_;
};

TEST_F(HttpClientTest, SendsMethodHeadersAndBodyAndKeepsTheAnswer) {
  serve([](const Request& request, const ResponseWriter& writer) {
    writer.send({201,
                 request.method + " " + request.path + " " + std::string(request.header("x-test")) +
                     " " + request.body,
                 "text/plain",
                 {}});
  });
  ClientRequest request = to("/a");
  request.method = "POST";
  request.headers = {{"X-Test", "yes"}};
  request.body = std::string("b\0c", 3);
  const auto response = send_request(request);
  ASSERT_TRUE(response) << response.error().to_string();
  EXPECT_EQ(response->status, 201);
  EXPECT_EQ(response->body, std::string("POST /a yes b\0c", 15));
}

TEST_F(HttpClientTest, StreamsASuccessAndKeepsARefusal) {
  serve([](const Request& request, const ResponseWriter& writer) {
    if (request.path == "/no") {
      writer.send({404, "not here", "text/plain", {}});
      return;
    }
    writer.begin_stream({200, "", "text/event-stream", {}});
    for (int i = 0; i < 100; ++i) writer.write("piece;");
    writer.end();
  });
  std::string streamed;
  ClientRequest request = to("/yes");
  request.on_bytes = [&](std::string_view bytes) { streamed += bytes; };
  const auto response = send_request(request);
  ASSERT_TRUE(response) << response.error().to_string();
  EXPECT_EQ(streamed.size(), 600U);
  EXPECT_EQ(response->body, "");

  streamed.clear();
  request.url = to("/no").url;
  const auto refused = send_request(request);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status, 404);
  EXPECT_EQ(refused->body, "not here");
  EXPECT_EQ(streamed, "");
}

TEST_F(HttpClientTest, StopsWhenAskedAndTheServerNotices) {
  std::atomic<bool> has_left{false};
  std::shared_ptr<ResponseWriter> open;  // never ended by the server
  serve([&](const Request&, const ResponseWriter& writer) {
    open = std::make_shared<ResponseWriter>(writer);
    writer.begin_stream({200, "", "text/event-stream", {}});
    writer.write("first");
    writer.on_closed([&] { has_left = true; });
  });
  std::string streamed;
  ClientRequest request = to("/");
  request.on_bytes = [&](std::string_view bytes) { streamed += bytes; };
  request.should_stop = [&] { return !streamed.empty(); };
  const auto response = send_request(request);
  ASSERT_TRUE(response) << response.error().to_string();
  EXPECT_TRUE(response->is_stopped);
  EXPECT_EQ(streamed, "first");
  for (int i = 0; i < 1000 && !has_left; ++i) std::this_thread::sleep_for(10ms);
  EXPECT_TRUE(has_left);
  server_->stop(0ms);
}

TEST_F(HttpClientTest, GivesUpOnASilentServer) {
  std::shared_ptr<ResponseWriter> open;
  serve([&](const Request&, const ResponseWriter& writer) {
    open = std::make_shared<ResponseWriter>(writer);
  });
  ClientRequest request = to("/");
  request.idle_timeout = 300ms;
  const auto response = send_request(request);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, ErrorCode::kUnavailable);
  server_->stop(0ms);
}

TEST_F(HttpClientTest, BoundsWhatItKeeps) {
  serve([](const Request&, const ResponseWriter& writer) {
    writer.send({200, std::string(1000, 'x'), "text/plain", {}});
  });
  ClientRequest request = to("/");
  request.max_body_bytes = 999;
  EXPECT_EQ(send_request(request).error().code, ErrorCode::kTooLarge);
  request.max_body_bytes = 1000;
  EXPECT_TRUE(send_request(request));
}

TEST_F(HttpClientTest, UsesNoProxyAndFollowsNoRedirect) {
  serve([](const Request&, const ResponseWriter& writer) {
    writer.send({302, "", "text/plain", {{"Location", "http://127.0.0.1:9/"}}});
  });
  ::setenv("http_proxy", "http://127.0.0.1:9", 1);
  const auto response = send_request(to("/"));
  ::unsetenv("http_proxy");
  ASSERT_TRUE(response) << response.error().to_string();
  EXPECT_EQ(response->status, 302);
}

TEST(HttpClient, NamesWhatCannotBeReached) {
  ClientRequest request;
  request.url = "http://127.0.0.1:9/";
  const auto refused = send_request(request);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
  EXPECT_NE(refused.error().message.find("127.0.0.1:9"), std::string::npos);
  for (const char* url : {"", "ftp://127.0.0.1/", "file:///etc/passwd", "http://"}) {
    request.url = url;
    const auto bad = send_request(request);
    ASSERT_FALSE(bad) << url;
    EXPECT_EQ(bad.error().code, ErrorCode::kInvalidArgument) << url;
  }
}

}  // namespace
}  // namespace maru::net
