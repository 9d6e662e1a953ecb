// WebSockets that a request was turned into (ResponseWriter::accept_websocket). Bounded in bytes,
// messages a second and silence; text only, no extensions. Source: RFC 6455.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "net/http.h"

namespace maru::net {

struct WebSocketOptions {
  size_t max_message_bytes = size_t{64} << 10;  // of one that comes in, all fragments together
  size_t max_outbox_bytes = size_t{4} << 20;    // sent but not yet taken by the client
  // Messages and pings that come in: so many at once, and so many a second in the long run.
  uint32_t max_burst = 200, max_per_second = 50;
  // A client that is silent for half of it is pinged, for all of it cut off.
  std::chrono::milliseconds idle_timeout{60'000};
};

// RFC 6455 section 7.4.1.
enum class CloseCode : uint16_t { kGoingAway = 1001, kNotText = 1003, kPolicy = 1008 };

// The far end of one WebSocket, given by the server. Thread-safe.
class WebSocketEnd {
 public:
  virtual ~WebSocketEnd() = default;
  virtual bool send(std::string text) = 0;
  virtual void receive() = 0;
  virtual void close(CloseCode code, std::string reason) = 0;
};

// The handle of an open WebSocket. May be copied, kept and used from any thread; never blocks.
class WebSocket {
 public:
  explicit WebSocket(std::shared_ptr<WebSocketEnd> end) : end_(std::move(end)) {}

  // One text message (UTF-8). False once the client has gone, or when it reads so slowly that the
  // outbox is full: it is cut off then.
  bool send(std::string text) const { return end_->send(std::move(text)); }
  // The next message may come: to be called once at the beginning and after each.
  void receive() const { end_->receive(); }
  // After what was sent before; `reason` has at most 123 bytes.
  void close(CloseCode code, std::string reason) const { end_->close(code, std::move(reason)); }

 private:
  std::shared_ptr<WebSocketEnd> end_;
};

// All run on the connection's executor and must not wait. They are let go when it has closed.
struct WebSocketHandlers {
  std::function<void(WebSocket socket)> on_open;
  std::function<void(std::string text)> on_message;
  std::function<void()> on_closed;  // once, if it was open; whoever closed it
};

// Whether the request asks rightly for a WebSocket.
bool is_websocket_request(const Request& request);

}  // namespace maru::net
