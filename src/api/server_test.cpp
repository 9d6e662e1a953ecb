#include "api/server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <future>

#include "base/testing/test_folder.h"
#include "text/tokenizer.h"

namespace maru::api {
namespace {

// Keeps its first handler for ever, as an engine does that is late to let go.
class HoldingEngine final : public engine::Engine {
 public:
  Status submit(engine::Request, engine::EventHandler handler) override {
    handler_ = std::move(handler);
    submitted.set_value();
    return {};
  }
  void cancel(engine::RequestId) override {}
  std::vector<engine::EngineModel> models() const override { return {}; }
  engine::EngineStats stats() const override { return {}; }

  std::promise<void> submitted;

 private:
  engine::EventHandler handler_;
};

int send_request(uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  const std::string body = R"({"model":"m","prompt":"hi"})";
  const std::string request =
      "POST /v1/completions HTTP/1.1\r\nHost: localhost:" + std::to_string(port) +
      "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  EXPECT_EQ(write(fd, request.data(), request.size()), static_cast<ssize_t>(request.size()));
  return fd;
}

constexpr const char* kTokenizer = R"({
  "version": "1.0", "added_tokens": [], "normalizer": null,
  "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true},
  "decoder": {"type": "ByteLevel"}, "post_processor": null,
  "model": {"type": "BPE", "vocab": {"h": 0, "i": 1}, "merges": []}})";

// The engine's thread would otherwise destroy the service, and with it the engine: itself.
TEST(ApiServer, HandlersInTheEngineDoNotOwnTheService) {
  const auto engine = std::make_shared<HoldingEngine>();
  service::ServedModel model;
  model.name = "m";
  model.context_length = 100;
  auto tokenizer = text::Tokenizer::from_json(kTokenizer);
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  model.tokenizer = std::move(*tokenizer);
  auto service = std::make_shared<service::GenerationService>(engine, std::vector{model});
  const std::weak_ptr<service::GenerationService> watched = service;
  ApiOptions options;
  options.http.port = 0;
  const TestFolder folder;
  const auto opened = service::open_database(folder.path("maru.db"));
  ASSERT_TRUE(opened) << opened.error().message;
  const auto accounts =
      std::make_shared<service::Accounts>(std::make_shared<service::AuditLog>(*opened));
  auto server = ApiServer::start(
      options, service, accounts,
      std::make_shared<service::SignIn>(*opened, accounts, service::SignInOptions{}));
  ASSERT_TRUE(server) << server.error().message;
  const int fd = send_request((*server)->port());
  ASSERT_EQ(engine->submitted.get_future().wait_for(std::chrono::seconds(20)),
            std::future_status::ready);
  server->reset();
  service.reset();
  EXPECT_TRUE(watched.expired());
  close(fd);
}

}  // namespace
}  // namespace maru::api
