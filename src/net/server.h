// An HTTP/1.1 server: bounded in bytes, time and connections. It parses, limits and writes; what
// to answer is the handler's business. Source: RFC 9110, RFC 9112.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "net/http.h"
#include "net/websocket.h"

namespace maru::net {

// What is sent on an otherwise silent stream, so that nobody takes it for dead.
struct Heartbeat {
  std::chrono::milliseconds interval{0};  // 0: none
  std::string bytes;
};

// The far end of one request, given by the server. Thread-safe.
class Exchange {
 public:
  virtual ~Exchange() = default;
  virtual void send(Response response) = 0;
  virtual void begin_stream(Response head, Heartbeat heartbeat) = 0;
  virtual bool write(std::string bytes) = 0;
  virtual void end() = 0;
  virtual void on_closed(std::function<void()> callback) = 0;
  virtual void post(std::function<void()> task) = 0;
  virtual void annotate(std::string text) = 0;
  virtual void accept_websocket(Request request, WebSocketOptions options,
                                WebSocketHandlers handlers) = 0;
};

// The handle by which a request is answered: one send(), or begin_stream(), write()s and end().
// May be copied, kept and used from any thread; never blocks. If every copy is dropped unanswered,
// the client gets a 500. Calls after the end or after the client left do nothing.
class ResponseWriter {
 public:
  explicit ResponseWriter(std::shared_ptr<Exchange> exchange) : exchange_(std::move(exchange)) {}

  void send(Response response) const { exchange_->send(std::move(response)); }

  // `head.body` is ignored.
  void begin_stream(Response head, Heartbeat heartbeat = {}) const {
    exchange_->begin_stream(std::move(head), std::move(heartbeat));
  }
  // False once the client has gone, or when it reads so slowly that the outbox is full: the
  // connection is closed then.
  bool write(std::string bytes) const { return exchange_->write(std::move(bytes)); }
  void end() const { exchange_->end(); }

  // `callback` runs once, on the connection's executor, if the client leaves (or is cut off) before
  // the answer is complete; at once if that has happened already.
  void on_closed(std::function<void()> callback) const {
    exchange_->on_closed(std::move(callback));
  }

  // Runs `task` on the connection's executor: one at a time, in the order of the calls, also when
  // the client has gone.
  void post(std::function<void()> task) const { exchange_->post(std::move(task)); }

  // Text for the ExchangeRecord (counts, never content).
  void annotate(std::string text) const { exchange_->annotate(std::move(text)); }

  // Instead of an answer: the connection becomes a WebSocket. `request` is the one to be answered,
  // for which is_websocket_request() holds; on_closed() is for others.
  void accept_websocket(Request request, WebSocketOptions options,
                        WebSocketHandlers handlers) const {
    exchange_->accept_websocket(std::move(request), options, std::move(handlers));
  }

 private:
  std::shared_ptr<Exchange> exchange_;
};

// Runs on one of the server's few threads: must not wait for anything.
using Handler = std::function<void(Request request, ResponseWriter writer)>;

// One finished exchange, for log and metrics.
struct ExchangeRecord {
  std::string id, method, path, remote_address, note;
  int status = 0;
  bool client_left = false;
  std::chrono::microseconds duration{0};
};

struct ServerOptions {
  // An address, or a name whose addresses are all bound ("localhost": 127.0.0.1 and ::1).
  std::string host = "127.0.0.1";
  uint16_t port = 8080;  // 0: any free one
  uint32_t n_threads = 2;
  size_t max_header_bytes = size_t{16} << 10;
  size_t max_body_bytes = size_t{32} << 20;
  size_t max_outbox_bytes = size_t{1} << 20;  // answered but not yet taken by a client
  // Fewer where the system allows fewer open files; the soft limit is raised, a low hard one told.
  uint32_t max_connections = 4096;
  std::chrono::milliseconds header_timeout{10'000};  // from the first byte (or accept) to the last
  std::chrono::milliseconds body_timeout{120'000};
  std::chrono::milliseconds idle_timeout{75'000};  // between requests
  std::chrono::milliseconds write_timeout{60'000};

  // The body of an error that the server itself answers (400, 408, 413, 431, 500, 503).
  std::function<Response(int status, std::string_view message)> make_error;
  std::function<void(const ExchangeRecord&)> on_exchange;
};

class Server {
 public:
  // Binds, listens and starts the threads. Errors: kInvalidArgument (host), kUnavailable (the
  // address is in use or not ours).
  static Result<std::unique_ptr<Server>> start(ServerOptions options, Handler handler);
  ~Server();  // stop() without grace

  uint16_t port() const;
  // Takes no more connections, lets running answers finish for at most `grace`, then cuts them.
  // Returns when the threads have ended. May be called once more.
  void stop(std::chrono::milliseconds grace);

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace maru::net
