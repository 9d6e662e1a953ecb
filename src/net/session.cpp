// One connection as a state machine on its own strand: read a request, hand it out, write the
// answer, read the next. A read is nearly always pending, so that a client that leaves is noticed.
#include "net/session.h"

#include <array>
#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "net/response_head.h"
#include "net/target.h"
#include "net/websocket_stream.h"

namespace maru::net {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;

namespace {

constexpr size_t kReadBytes = size_t{16} << 10;
constexpr size_t kMaxPipelinedBytes = size_t{64} << 10;
constexpr std::chrono::milliseconds kLingerTime{2'000}, kLingerTimeAtStop{200};

}  // namespace

class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(std::shared_ptr<ServerShared> shared, asio::ip::tcp::socket socket)
      : shared_(std::move(shared)),
        options_(shared_->options),
        socket_(std::move(socket)),
        read_timer_(socket_.get_executor()),
        write_timer_(socket_.get_executor()),
        heartbeat_timer_(socket_.get_executor()) {
    error_code ec;
    const auto remote = socket_.remote_endpoint(ec);
    if (!ec) remote_address_ = remote.address().to_string();
    socket_.set_option(asio::ip::tcp::no_delay(true), ec);
  }

  ~Session() { leave(); }

  void start() {
    if (shared_->stopping.load()) return close();
    arm_read_timer(options_.header_timeout);
    begin_request();
  }

  void stop(bool now) {
    keep_alive_ = false;
    if (now || state_ == State::kReading) return close();
    if (websocket_) websocket_->close(CloseCode::kGoingAway, "the server is stopping");
  }

  void post(std::function<void()> task) {
    if (shared_->stopped.load(std::memory_order_acquire)) return;
    asio::post(socket_.get_executor(), [self = shared_from_this(), task = std::move(task)] {
      if (!self->shared_->stopped.load(std::memory_order_acquire)) task();
    });
  }

  // The rest of the public face is for ExchangeImpl, on the strand; `number` says which request is
  // meant, and one that is over is ignored.
  void send(uint64_t number, Response response);
  void begin_stream(uint64_t number, Response head, Heartbeat heartbeat);
  void write(uint64_t number, std::string bytes);
  void end(uint64_t number);
  void on_closed(uint64_t number, std::function<void()> callback);
  void annotate(uint64_t number, std::string text);
  void accept_websocket(uint64_t number, WebSocketWish wish);
  void abandon(uint64_t number);
  void cut_off() { close(); }

  // Bytes handed over by writers and not yet taken by the socket; kGone once closed.
  static constexpr size_t kGone = ~size_t{0} / 2;
  std::atomic<size_t> n_outbox{0};

 private:
  enum class State { kReading, kAnswering, kStreaming, kUpgrading, kLingering, kClosed };
  using Parser = http::request_parser<http::string_body>;

  void begin_request();
  void read();
  void on_read(error_code ec, size_t n);
  void parse();
  void refuse(http::error why);
  void refuse(int status, std::string_view message);
  void dispatch();
  bool is_current(uint64_t number) const {
    return number == number_ && (state_ == State::kAnswering || state_ == State::kStreaming);
  }
  void queue(std::string bytes);
  void flush();
  void on_written(error_code ec);
  void finish_answer();
  void hand_over(error_code ec, size_t n_read);
  void record(bool client_left);
  void linger();
  void close();
  void leave();
  void arm_read_timer(std::chrono::milliseconds timeout);
  void arm_heartbeat();

  const std::shared_ptr<ServerShared> shared_;
  const ServerOptions& options_;
  asio::ip::tcp::socket socket_;
  asio::steady_timer read_timer_, write_timer_, heartbeat_timer_;
  std::string remote_address_;
  State state_ = State::kReading;

  // Input lands in chunk_ first: a read may be pending while buffer_ is parsed and moved.
  std::array<char, kReadBytes> chunk_;
  beast::flat_buffer buffer_;
  std::optional<Parser> parser_;
  bool reading_ = false;   // a read is pending
  bool got_byte_ = false;  // of the current request
  bool in_body_ = false;
  size_t n_header_bytes_ = 0;
  uint64_t read_deadline_ = 0;  // number of the armed deadline; an older timer is void

  uint64_t number_ = 0;  // of the current request on this connection
  ExchangeRecord record_;
  Clock::time_point started_;
  bool keep_alive_ = true;
  bool is_head_ = false;
  bool chunked_ = true;
  std::function<void()> on_closed_;
  std::optional<WebSocketWish> wish_;           // kUpgrading, until the socket is handed over
  std::shared_ptr<WebSocketStream> websocket_;  // from then on

  std::string pending_, writing_;
  bool write_in_flight_ = false;
  bool answer_complete_ = false;
  Heartbeat heartbeat_;
  Clock::time_point last_write_;
};

namespace {

// One request on a session. Lives as long as a ResponseWriter does.
class ExchangeImpl : public Exchange {
 public:
  ExchangeImpl(std::shared_ptr<Session> session, uint64_t number, size_t max_outbox)
      : session_(std::move(session)), number_(number), max_outbox_(max_outbox) {}

  ~ExchangeImpl() override {
    session_->post([s = session_, n = number_] { s->abandon(n); });
  }

  void send(Response response) override {
    session_->post([s = session_, n = number_, r = std::move(response)]() mutable {
      s->send(n, std::move(r));
    });
  }
  void begin_stream(Response head, Heartbeat heartbeat) override {
    session_->post(
        [s = session_, n = number_, r = std::move(head), h = std::move(heartbeat)]() mutable {
          s->begin_stream(n, std::move(r), std::move(h));
        });
  }
  bool write(std::string bytes) override {
    if (bytes.empty()) return session_->n_outbox.load() < Session::kGone;
    const size_t n_bytes = bytes.size();
    const size_t before = session_->n_outbox.fetch_add(n_bytes);
    if (before >= Session::kGone) return false;
    if (before + n_bytes > max_outbox_) {
      session_->post([s = session_] { s->cut_off(); });
      return false;
    }
    session_->post(
        [s = session_, n = number_, b = std::move(bytes)]() mutable { s->write(n, std::move(b)); });
    return true;
  }
  void end() override {
    session_->post([s = session_, n = number_] { s->end(n); });
  }
  void on_closed(std::function<void()> callback) override {
    session_->post([s = session_, n = number_, c = std::move(callback)]() mutable {
      s->on_closed(n, std::move(c));
    });
  }
  void post(std::function<void()> task) override { session_->post(std::move(task)); }
  void annotate(std::string text) override {
    session_->post([s = session_, n = number_, t = std::move(text)]() mutable {
      s->annotate(n, std::move(t));
    });
  }
  void accept_websocket(Request request, WebSocketOptions options,
                        WebSocketHandlers handlers) override {
    WebSocketWish wish{std::move(request), options, std::move(handlers)};
    session_->post([s = session_, n = number_, w = std::move(wish)]() mutable {
      s->accept_websocket(n, std::move(w));
    });
  }

 private:
  const std::shared_ptr<Session> session_;
  const uint64_t number_;
  const size_t max_outbox_;
};

}  // namespace

// ---- reading

void Session::arm_read_timer(std::chrono::milliseconds timeout) {
  const uint64_t deadline = ++read_deadline_;
  read_timer_.expires_after(timeout);
  read_timer_.async_wait([self = shared_from_this(), deadline](error_code ec) {
    if (ec || deadline != self->read_deadline_) return;
    if (self->state_ == State::kReading && self->got_byte_) {
      self->refuse(408, "the request did not arrive in time");
    } else if (self->state_ == State::kReading || self->state_ == State::kLingering) {
      self->close();
    }
  });
}

void Session::begin_request() {
  state_ = State::kReading;
  ++number_;
  parser_.emplace();
  // Beast's own limit is not exact to the byte; parse() counts.
  parser_->header_limit(static_cast<uint32_t>(2 * options_.max_header_bytes));
  parser_->body_limit(options_.max_body_bytes);
  n_header_bytes_ = 0;
  got_byte_ = in_body_ = answer_complete_ = false;
  record_ = {};
  on_closed_ = nullptr;
  buffer_.size() > 0 ? parse() : read();
}

void Session::read() {
  if (reading_ || state_ == State::kClosed) return;
  reading_ = true;
  socket_.async_read_some(
      asio::buffer(chunk_),
      [self = shared_from_this()](error_code ec, size_t n) { self->on_read(ec, n); });
}

void Session::on_read(error_code ec, size_t n) {
  reading_ = false;
  if (state_ == State::kClosed) return;
  if (state_ == State::kUpgrading) return hand_over(ec, n);
  if (ec) {
    // A client that closes its side while it waits for an answer has gone.
    if (state_ == State::kReading && got_byte_ && ec == asio::error::eof) {
      keep_alive_ = false;
      refuse(400, "the request ended before it was complete");
      return;
    }
    close();
    return;
  }
  buffer_.commit(asio::buffer_copy(buffer_.prepare(n), asio::buffer(chunk_, n)));
  if (state_ == State::kReading) {
    parse();
  } else if (state_ == State::kLingering) {
    buffer_.consume(buffer_.size());
    read();
  } else if (buffer_.size() < kMaxPipelinedBytes) {
    read();
  }
}

void Session::parse() {
  if (!got_byte_) {
    got_byte_ = true;
    started_ = Clock::now();
    arm_read_timer(options_.header_timeout);
  }
  while (!parser_->is_done()) {
    error_code ec;
    const size_t n = parser_->put(buffer_.data(), ec);
    buffer_.consume(n);
    if (ec && ec != http::error::need_more) {
      refuse(ec.category() == make_error_code(http::error::need_more).category()
                 ? static_cast<http::error>(ec.value())
                 : http::error::bad_value);
      return;
    }
    if (!in_body_) {
      n_header_bytes_ += n;
      const size_t n_unread = parser_->is_header_done() ? 0 : buffer_.size();
      if (n_header_bytes_ + n_unread > options_.max_header_bytes) {
        return refuse(http::error::header_limit);
      }
    }
    if (parser_->is_header_done() && !in_body_) {
      in_body_ = true;
      parser_->eager(true);  // the header came alone, to be counted
      if (!parser_->is_done()) {
        arm_read_timer(options_.body_timeout);
        const auto expect = parser_->get().find(http::field::expect);
        if (expect != parser_->get().end() && beast::iequals(expect->value(), "100-continue")) {
          queue("HTTP/1.1 100 Continue\r\n\r\n");
        }
      }
    }
    if (ec || buffer_.size() == 0) break;
  }
  if (parser_->is_done()) {
    dispatch();
  } else {
    read();
  }
}

void Session::refuse(http::error why) {
  switch (why) {
    case http::error::header_limit:
      return refuse(
          431, "the header is larger than " + std::to_string(options_.max_header_bytes) + " bytes");
    case http::error::body_limit:
      return refuse(
          413, "the body is larger than " + std::to_string(options_.max_body_bytes) + " bytes");
    default:
      return refuse(
          400, std::string("the request is not valid HTTP/1.1: ") + make_error_code(why).message());
  }
}

// Answers a request that never reached the handler; the connection is of no more use.
void Session::refuse(int status, std::string_view message) {
  state_ = State::kAnswering;
  ++read_deadline_;
  keep_alive_ = false;
  if (record_.id.empty()) record_.id = make_request_id();
  send(number_, options_.make_error ? options_.make_error(status, message)
                                    : Response{status, std::string(message), "text/plain", {}});
}

void Session::dispatch() {
  state_ = State::kAnswering;
  ++read_deadline_;
  auto message = parser_->release();
  Request request;
  request.method = std::string(message.method_string());
  request.remote_address = remote_address_;
  size_t n_hosts = 0;
  for (const auto& field : message) {
    request.headers.push_back({std::string(field.name_string()), std::string(field.value())});
    if (field.name() == http::field::host) {
      ++n_hosts;
      request.host = std::string(field.value());
    }
  }
  const std::string_view sent_id = request.header("x-request-id");
  request.id = is_sane_request_id(sent_id) ? std::string(sent_id) : make_request_id();
  is_head_ = message.method() == http::verb::head;
  keep_alive_ = message.keep_alive() && !shared_->stopping.load();
  chunked_ = message.version() >= 11;
  record_ = ExchangeRecord{request.id, request.method, {}, remote_address_, {}, 0, false, {}};

  if (message.version() != 11 && message.version() != 10) {
    return refuse(400, "only HTTP/1.1 and HTTP/1.0 are spoken here");
  }
  if (n_hosts > 1 || (n_hosts == 0 && message.version() == 11)) {
    return refuse(400, "a request needs exactly one Host header");
  }
  if (message.has_content_length() &&
      message.find(http::field::transfer_encoding) != message.end()) {
    return refuse(400, "Content-Length and Transfer-Encoding exclude each other");
  }
  if (message.find(http::field::transfer_encoding) != message.end() && !message.chunked()) {
    return refuse(400, "the only transfer coding spoken here is chunked");
  }
  const auto target = message.target();
  Result<Target> parsed = parse_target({target.data(), target.size()});
  if (!parsed) return refuse(400, parsed.error().message);
  request.path = std::move(parsed->path);
  request.query = std::move(parsed->query);
  if (!parsed->authority.empty()) request.host = std::move(parsed->authority);
  request.body = std::move(message.body());
  record_.path = request.path;

  if (buffer_.size() < kMaxPipelinedBytes) read();  // to notice that the client leaves
  ResponseWriter writer(
      std::make_shared<ExchangeImpl>(shared_from_this(), number_, options_.max_outbox_bytes));
  try {
    shared_->handler(std::move(request), writer);
  } catch (const std::exception& e) {  // a library's, or memory gone
    log_error("request {}: handler failed: {}", record_.id, e.what());
    writer.send(options_.make_error ? options_.make_error(500, "the server failed to answer")
                                    : Response{500, "", "text/plain", {}});
  }
}

// ---- answering

void Session::send(uint64_t number, Response response) {
  if (!is_current(number) || state_ != State::kAnswering || answer_complete_) return;
  record_.status = response.status;
  std::string bytes =
      make_response_head(response, record_.id, keep_alive_,
                         fmt::format("Content-Length: {}\r\n", response.body.size()));
  if (!is_head_) bytes += response.body;
  answer_complete_ = true;
  queue(std::move(bytes));
}

void Session::begin_stream(uint64_t number, Response head, Heartbeat heartbeat) {
  if (!is_current(number) || state_ != State::kAnswering || answer_complete_) return;
  state_ = State::kStreaming;
  record_.status = head.status;
  if (!chunked_) keep_alive_ = false;  // HTTP/1.0: the end of the connection ends the body
  heartbeat_ = std::move(heartbeat);
  queue(make_response_head(head, record_.id, keep_alive_,
                           chunked_ ? "Transfer-Encoding: chunked\r\n" : ""));
  arm_heartbeat();
}

void Session::write(uint64_t number, std::string bytes) {
  n_outbox.fetch_sub(bytes.size());  // queue() counts what goes out, framing included
  if (!is_current(number) || state_ != State::kStreaming || answer_complete_ || is_head_) return;
  queue(chunked_ ? fmt::format("{:x}\r\n{}\r\n", bytes.size(), bytes) : std::move(bytes));
}

void Session::end(uint64_t number) {
  if (!is_current(number) || state_ != State::kStreaming || answer_complete_) return;
  answer_complete_ = true;
  heartbeat_timer_.cancel();
  if (chunked_ && !is_head_) {
    queue("0\r\n\r\n");
  } else if (!write_in_flight_) {
    finish_answer();
  }
}

void Session::arm_heartbeat() {
  if (heartbeat_.interval.count() <= 0 || is_head_) return;
  last_write_ = Clock::now();
  heartbeat_timer_.expires_after(heartbeat_.interval);
  heartbeat_timer_.async_wait([self = shared_from_this(), number = number_](error_code ec) {
    if (ec || !self->is_current(number) || self->answer_complete_) return;
    self->n_outbox.fetch_add(self->heartbeat_.bytes.size());
    self->write(number, self->heartbeat_.bytes);
  });
}

void Session::on_closed(uint64_t number, std::function<void()> callback) {
  if (number != number_) return;  // answered completely
  if (state_ == State::kClosed) {
    callback();
  } else {
    on_closed_ = std::move(callback);
  }
}

void Session::annotate(uint64_t number, std::string text) {
  if (is_current(number)) record_.note = std::move(text);
}

void Session::abandon(uint64_t number) {
  if (!is_current(number) || answer_complete_) return;
  log_error("request {}: the handler left it unanswered", record_.id);
  if (state_ == State::kStreaming) {
    close();
  } else {
    refuse(500, "the server failed to answer");
  }
}

void Session::queue(std::string bytes) {
  n_outbox.fetch_add(bytes.size());
  pending_ += bytes;
  if (!write_in_flight_) flush();
}

void Session::flush() {
  if (state_ == State::kClosed) return;
  write_in_flight_ = true;
  writing_.swap(pending_);
  pending_.clear();
  write_timer_.expires_after(options_.write_timeout);
  write_timer_.async_wait([self = shared_from_this()](error_code ec) {
    if (!ec && self->write_in_flight_ && self->write_timer_.expiry() <= Clock::now()) self->close();
  });
  asio::async_write(socket_, asio::buffer(writing_),
                    [self = shared_from_this()](error_code ec, size_t) { self->on_written(ec); });
}

void Session::on_written(error_code ec) {
  write_in_flight_ = false;
  write_timer_.cancel();
  if (state_ == State::kClosed) return;
  n_outbox.fetch_sub(writing_.size());
  writing_.clear();
  if (ec) return close();
  if (!pending_.empty()) return flush();
  if (answer_complete_) {
    finish_answer();
  } else if (state_ == State::kStreaming) {
    arm_heartbeat();
  }
}

void Session::finish_answer() {
  record(false);
  on_closed_ = nullptr;
  if (!keep_alive_ || shared_->stopping.load()) return linger();
  state_ = State::kReading;
  arm_read_timer(options_.idle_timeout);
  begin_request();
}

// The read that watches for the client's leaving has to come back before the socket can be moved.
void Session::accept_websocket(uint64_t number, WebSocketWish wish) {
  if (!is_current(number) || state_ != State::kAnswering || answer_complete_) return;
  state_ = State::kUpgrading;
  wish_ = std::move(wish);
  error_code ec;
  if (!reading_) return hand_over(ec, 0);
  socket_.cancel(ec);
}

void Session::hand_over(error_code ec, size_t n_read) {
  WebSocketWish wish = *std::exchange(wish_, std::nullopt);
  if (ec && ec != asio::error::operation_aborted) return close();
  // A client has to wait for the answer (RFC 6455 section 4.1).
  if (n_read + buffer_.size() > 0) return refuse(400, "bytes came before the WebSocket was open");
  record_.status = 101;
  record(false);
  websocket_ = WebSocketStream::make(shared_, std::move(socket_), std::move(wish));
  websocket_->accept([self = shared_from_this()] { self->close(); });
}

void Session::record(bool client_left) {
  record_.client_left = client_left;
  record_.duration = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - started_);
  if (options_.on_exchange) options_.on_exchange(record_);
}

// Closing with unread input would reset the connection and could destroy the answer on its way:
// say that we are done, and read until the client is, for a moment (RFC 9112 section 9.6).
void Session::linger() {
  state_ = State::kLingering;
  error_code ec;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ec);
  if (ec) return close();
  buffer_.consume(buffer_.size());
  arm_read_timer(shared_->stopping.load() ? kLingerTimeAtStop : kLingerTime);
  read();
}

void Session::close() {
  if (state_ == State::kClosed) return;
  const bool cut = (state_ == State::kAnswering || state_ == State::kStreaming);
  state_ = State::kClosed;
  n_outbox.fetch_add(kGone);
  error_code ec;
  socket_.close(ec);
  read_timer_.cancel();
  write_timer_.cancel();
  heartbeat_timer_.cancel();
  pending_.clear();
  if (const auto websocket = std::exchange(websocket_, nullptr)) websocket->cut();
  if (cut) {
    record(true);
    if (on_closed_) std::exchange(on_closed_, nullptr)();
  }
  leave();
}

// A closed session counts no more, even if a writer still holds it.
void Session::leave() {
  const std::lock_guard lock(shared_->mutex);
  shared_->sessions.erase(this);
  if (shared_->sessions.empty()) shared_->none_left.notify_all();
}

void start_session(std::shared_ptr<ServerShared> shared, asio::ip::tcp::socket socket) {
  auto session = std::make_shared<Session>(shared, std::move(socket));
  {
    const std::lock_guard lock(shared->mutex);
    shared->sessions.emplace(session.get(), session);
  }
  session->post([session] { session->start(); });
}

void stop_session(const std::shared_ptr<Session>& session, bool now) {
  session->post([session, now] { session->stop(now); });
}

}  // namespace maru::net
