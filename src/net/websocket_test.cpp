// WebSockets over real sockets on loopback: a client that sends exact bytes.
#include "net/websocket.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <future>
#include <mutex>

#include "net/server.h"

namespace maru::net {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

constexpr std::string_view kHandshake =
    "GET /live HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
constexpr int kContinuation = 0, kText = 1, kBinary = 2, kClose = 8, kPing = 9, kPong = 10;

// RFC 6455 section 5.2; what a client sends is masked.
std::string frame(int opcode, std::string_view payload, bool is_final = true, bool masked = true) {
  std::string bytes(1, static_cast<char>((is_final ? 0x80 : 0) | opcode));
  const char mask_bit = masked ? '\x80' : '\0';
  if (payload.size() < 126) {
    bytes += static_cast<char>(mask_bit | static_cast<char>(payload.size()));
  } else {
    const bool is_long = payload.size() > 0xFFFF;
    bytes += static_cast<char>(mask_bit | (is_long ? 127 : 126));
    for (int shift = is_long ? 56 : 8; shift >= 0; shift -= 8) {
      bytes += static_cast<char>(payload.size() >> shift);
    }
  }
  constexpr std::string_view kMask = "\x11\x22\x33\x44";
  if (masked) bytes += kMask;
  for (size_t i = 0; i < payload.size(); ++i) {
    bytes += masked ? static_cast<char>(payload[i] ^ kMask[i % 4]) : payload[i];
  }
  return bytes;
}

struct Frame {
  int opcode = -1;  // -1: the connection has ended
  std::string payload;
  int close_code() const {
    if (opcode != kClose || payload.size() < 2) return -1;
    return static_cast<unsigned char>(payload[0]) * 256 + static_cast<unsigned char>(payload[1]);
  }
};

class Client {
 public:
  explicit Client(uint16_t port, std::string_view handshake = kHandshake) : socket_(io_) {
    socket_.connect({asio::ip::address_v4::loopback(), port});
    const timeval limit{10, 0};
    setsockopt(socket_.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    send(handshake);
    while (head.find("\r\n\r\n") == std::string::npos) {
      const std::string byte = read(1);
      if (byte.empty()) break;
      head += byte;
    }
  }
  void send(std::string_view bytes) {
    boost::system::error_code ec;
    asio::write(socket_, asio::buffer(bytes.data(), bytes.size()), ec);
  }
  Frame next() {
    const std::string begin = read(2);
    if (begin.size() < 2) return {};
    Frame result{begin[0] & 0x0F, ""};
    size_t size = static_cast<unsigned char>(begin[1]);
    const size_t n_more = size == 126 ? 2 : size == 127 ? 8 : 0;
    if (n_more > 0) size = 0;
    for (const char c : read(n_more)) size = size * 256 + static_cast<unsigned char>(c);
    result.payload = read(size);
    return result;
  }
  void close() { socket_.close(); }
  std::string head;

 private:
  std::string read(size_t n) {
    std::string bytes(n, '\0');
    size_t n_read = 0;
    while (n_read < n) {
      const ssize_t got = ::recv(socket_.native_handle(), bytes.data() + n_read, n - n_read, 0);
      if (got <= 0) return {};
      n_read += static_cast<size_t>(got);
    }
    return bytes;
  }
  asio::io_context io_;
  asio::ip::tcp::socket socket_;
};

// Sends every message back, until it is "flood" or "close".
struct Echo {
  explicit Echo(WebSocketOptions options = {}) {
    ServerOptions server_options;
    server_options.port = 0;
    auto started = Server::start(
        std::move(server_options), [this, options](Request request, ResponseWriter writer) {
          if (!is_websocket_request(request)) return writer.send({426, "", "text/plain", {}});
          auto held = std::make_shared<std::optional<WebSocket>>();
          WebSocketHandlers handlers;
          handlers.on_open = [held](WebSocket socket) {
            socket.receive();
            *held = std::move(socket);
          };
          handlers.on_message = [held](const std::string& text) {
            if (text == "close") return (*held)->close(CloseCode::kPolicy, "as you wish");
            while (text == "flood" && (*held)->send(std::string(10'000, 'x'))) {
            }
            (*held)->send(text);
            (*held)->receive();
          };
          handlers.on_closed = [this, held] {
            held->reset();
            ++n_closed;
          };
          writer.accept_websocket(std::move(request), options, std::move(handlers));
        });
    EXPECT_TRUE(started);
    server = std::move(started).value();
  }
  uint16_t port() const { return server->port(); }
  void wait_for_closed(int n) const {
    for (int i = 0; i < 500 && n_closed < n; ++i) std::this_thread::sleep_for(10ms);
    EXPECT_EQ(n_closed, n);
  }
  std::atomic<int> n_closed{0};
  std::unique_ptr<Server> server;
};

TEST(WebSocket, OpensAndEchoesMessagesInFragments) {
  Echo echo;
  Client client(echo.port());
  EXPECT_TRUE(client.head.starts_with("HTTP/1.1 101 ")) << client.head;
  // The key and its answer are those of RFC 6455 section 1.3.
  EXPECT_NE(client.head.find("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), std::string::npos) << client.head;
  EXPECT_EQ(client.head.find("Sec-WebSocket-Extensions"), std::string::npos);
  client.send(frame(kText, "hello"));
  EXPECT_EQ(client.next().payload, "hello");
  // A character cut in two, with a ping in between.
  client.send(frame(kText, "\xed\x95", false));
  client.send(frame(kPing, "still there?"));
  client.send(frame(kContinuation, "", false) + frame(kContinuation, "\x9c!", true));
  const Frame pong = client.next();
  EXPECT_EQ(pong.opcode, kPong);
  EXPECT_EQ(pong.payload, "still there?");
  EXPECT_EQ(client.next().payload, "한!");
  const std::string large(60'000, 'a');
  client.send(frame(kText, large));
  EXPECT_EQ(client.next().payload, large);
  for (int i = 0; i < 50; ++i) client.send(frame(kText, std::to_string(i)));
  for (int i = 0; i < 50; ++i) EXPECT_EQ(client.next().payload, std::to_string(i));
}

TEST(WebSocket, ClosesWhatIsAgainstTheProtocol) {
  const std::tuple<const char*, std::string, int> cases[] = {
      {"bad UTF-8", frame(kText, "\xff\xfe"), 1007},
      {"UTF-8 that ends within a character", frame(kText, "\xed\x95"), 1007},
      {"too large", frame(kText, std::string((64 << 10) + 1, 'a')), 1009},
      {"too large in fragments",
       frame(kText, std::string(40'000, 'a'), false) +
           frame(kContinuation, std::string(40'000, 'a')),
       1009},
      {"unmasked", frame(kText, "hi", true, false), 1002},
      {"a continuation of nothing", frame(kContinuation, "hi"), 1002},
      {"an unknown opcode", frame(3, "hi"), 1002},
      {"a ping in fragments", frame(kPing, "hi", false), 1002},
      {"a compressed frame", std::string("\xc1") + frame(kText, "hi").substr(1), 1002},
      {"binary", frame(kBinary, "hi"), 1003},
      {"a wish", frame(kText, "close"), 1008},
  };
  Echo echo;
  int n = 0;
  for (const auto& [name, bytes, code] : cases) {
    Client client(echo.port());
    client.send(bytes);
    const Frame last = client.next();
    EXPECT_EQ(last.close_code(), code) << name << ": opcode " << last.opcode;
    client.send(frame(kClose, last.payload));
    EXPECT_EQ(client.next().opcode, -1) << name;
    client.close();
    echo.wait_for_closed(++n);
  }
}

TEST(WebSocket, RefusesWhatIsNoHandshake) {
  Echo echo;
  const std::pair<std::string_view, std::string_view> changes[] = {
      {"Upgrade: websocket\r\n", ""},
      {"Upgrade: websocket\r\n", "Upgrade: websockets\r\n"},
      {"Connection: keep-alive, Upgrade\r\n", "Connection: keep-alive\r\n"},
      {"Version: 13", "Version: 8"},
      {"dGhlIHNhbXBsZSBub25jZQ==", "short"},
      {"GET", "PUT"},
  };
  for (const auto& [from, to] : changes) {
    std::string request(kHandshake);
    request.replace(request.find(from), from.size(), to);
    EXPECT_TRUE(Client(echo.port(), request).head.starts_with("HTTP/1.1 426")) << request;
  }
  const std::string eager = std::string(kHandshake) + frame(kText, "too early");
  EXPECT_TRUE(Client(echo.port(), eager).head.starts_with("HTTP/1.1 400"));
}

TEST(WebSocket, CutsOffWhoReadsTooSlowlyOrSendsTooMuch) {
  Echo echo({.max_outbox_bytes = size_t{1} << 20, .max_burst = 20, .max_per_second = 1});
  Client slow(echo.port());
  slow.send(frame(kText, "flood"));  // ends when send() says that it is enough
  echo.wait_for_closed(1);
  Client talker(echo.port());
  for (int i = 0; i < 21; ++i) talker.send(frame(kText, "again"));
  Frame last = talker.next();
  while (last.opcode == kText) last = talker.next();
  EXPECT_EQ(last.close_code(), 1008);
  talker.send(frame(kClose, last.payload));
  talker.close();
  Client pinger(echo.port());
  for (int i = 0; i < 40; ++i) pinger.send(frame(kPing, ""));
  while ((last = pinger.next()).opcode == kPong) {
  }
  EXPECT_EQ(last.opcode, -1);
  echo.wait_for_closed(3);
}

TEST(WebSocket, PingsTheSilentAndCutsOffTheDead) {
  Echo echo({.idle_timeout = 200ms});
  Client client(echo.port());
  EXPECT_EQ(client.next().opcode, kPing);
  client.send(frame(kPong, ""));
  EXPECT_EQ(client.next().opcode, kPing);
  echo.wait_for_closed(1);
}

TEST(WebSocket, ServerSaysThatItGoes) {
  Echo echo;
  Client client(echo.port());
  client.send(frame(kText, "hi"));
  EXPECT_EQ(client.next().payload, "hi");
  auto stopped = std::async(std::launch::async, [&] { echo.server->stop(5s); });
  const Frame last = client.next();
  EXPECT_EQ(last.close_code(), 1001);
  client.send(frame(kClose, last.payload));
  client.close();
  stopped.get();
  EXPECT_EQ(echo.n_closed, 1);
  // A client that does not answer holds nobody up.
  Echo other;
  const Client mute(other.port());
  other.server->stop(100ms);
  EXPECT_EQ(other.n_closed, 1);
}

}  // namespace
}  // namespace maru::net
