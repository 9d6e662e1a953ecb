// Beast speaks the protocol (frames, masks, UTF-8, pings, closing); here are the bounds and the
// order of what is sent.
#include "net/websocket_stream.h"

#include <algorithm>
#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <deque>
#include <optional>
#include <utility>

namespace maru::net {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = boost::beast::websocket;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::chrono::seconds kHandshakeTime{5};  // also for the other side's part of closing

class Stream final : public WebSocketStream, public std::enable_shared_from_this<Stream> {
 public:
  Stream(std::shared_ptr<ServerShared> shared, asio::ip::tcp::socket socket, WebSocketWish wish)
      : shared_(std::move(shared)),
        wish_(std::move(wish)),
        ws_(std::move(socket)),
        write_timer_(ws_.get_executor()),
        allowance_(wish_.options.max_burst),
        allowance_at_(Clock::now()) {}

  void accept(std::function<void()> on_gone) override;
  void cut() override { finish(); }
  bool send(std::string text) override;
  void receive() override {
    post([self = shared_from_this()] { self->read(); });
  }
  void close(CloseCode code, std::string reason) override {
    post([self = shared_from_this(), code, why = std::move(reason)] {
      self->begin_close(code, why);
    });
  }

 private:
  template <class Task>
  void post(Task task) {
    if (shared_->stopped.load(std::memory_order_acquire)) return;
    asio::post(ws_.get_executor(), [held = shared_, run = std::move(task)]() mutable {
      if (!held->stopped.load(std::memory_order_acquire)) run();
    });
  }
  void read();
  void on_read(error_code ec);
  void queue(std::string text);
  void flush();
  void on_written(error_code ec);
  void begin_close(CloseCode code, const std::string& reason);
  void close_now();
  bool take_allowance();
  void finish();

  const std::shared_ptr<ServerShared> shared_;
  WebSocketWish wish_;
  std::function<void()> on_gone_;
  websocket::stream<asio::ip::tcp::socket, /*deflate=*/false> ws_;
  asio::steady_timer write_timer_;
  beast::flat_buffer buffer_;
  bool is_open_ = false, is_gone_ = false, reading_ = false;

  // Bytes handed over and not yet taken by the socket; kGone once closed.
  static constexpr size_t kGone = ~size_t{0} / 2;
  std::atomic<size_t> n_outbox_{0};
  std::deque<std::string> pending_;
  std::string writing_;
  bool write_in_flight_ = false;
  std::optional<websocket::close_reason> close_reason_;  // once no more is to be sent
  double allowance_;                                     // of what may come in
  Clock::time_point allowance_at_;
};

void Stream::accept(std::function<void()> on_gone) {
  on_gone_ = std::move(on_gone);
  websocket::stream_base::timeout timeout{kHandshakeTime, wish_.options.idle_timeout,
                                          /*keep_alive_pings=*/true};
  ws_.set_option(timeout);
  ws_.read_message_max(wish_.options.max_message_bytes);
  ws_.auto_fragment(false);
  ws_.set_option(websocket::stream_base::decorator([id = wish_.request.id](auto& response) {
    response.set("x-request-id", id);
    response.erase(beast::http::field::server);
  }));
  ws_.control_callback([this](websocket::frame_type kind, beast::string_view) {
    if (kind != websocket::frame_type::ping || take_allowance()) return;
    post([self = shared_from_this()] { self->finish(); });
  });
  beast::http::request<beast::http::empty_body> request;
  request.method(beast::http::verb::get);
  request.target("/");
  request.version(11);
  for (const Header& header : wish_.request.headers) request.insert(header.name, header.value);
  ws_.async_accept(request, [self = shared_from_this()](error_code ec) {
    if (ec || self->is_gone_) return self->finish();
    self->is_open_ = true;
    self->wish_.handlers.on_open(WebSocket(self));
  });
}

void Stream::read() {
  if (reading_ || is_gone_ || close_reason_) return;
  reading_ = true;
  ws_.async_read(buffer_,
                 [self = shared_from_this()](error_code ec, size_t) { self->on_read(ec); });
}

void Stream::on_read(error_code ec) {
  reading_ = false;
  if (is_gone_ || close_reason_) return;  // the end of closing comes by itself
  if (ec) return finish();
  std::string text = beast::buffers_to_string(buffer_.data());
  buffer_.consume(buffer_.size());
  if (!ws_.got_text()) return begin_close(CloseCode::kNotText, "messages are text");
  if (!take_allowance()) return begin_close(CloseCode::kPolicy, "too many messages");
  wish_.handlers.on_message(std::move(text));
}

bool Stream::take_allowance() {
  const auto now = Clock::now();
  const std::chrono::duration<double> passed = now - allowance_at_;
  allowance_at_ = now;
  allowance_ = std::min<double>(allowance_ + passed.count() * wish_.options.max_per_second,
                                wish_.options.max_burst);
  if (allowance_ < 1) return false;
  --allowance_;
  return true;
}

bool Stream::send(std::string text) {
  const size_t n_bytes = text.size();
  const size_t before = n_outbox_.fetch_add(n_bytes);
  if (before >= kGone) return false;
  if (before + n_bytes > wish_.options.max_outbox_bytes) {
    post([self = shared_from_this()] { self->finish(); });
    return false;
  }
  post([self = shared_from_this(), t = std::move(text)]() mutable { self->queue(std::move(t)); });
  return true;
}

void Stream::queue(std::string text) {
  if (is_gone_ || close_reason_) {
    n_outbox_.fetch_sub(text.size());
    return;
  }
  pending_.push_back(std::move(text));
  if (!write_in_flight_) flush();
}

void Stream::flush() {
  write_in_flight_ = true;
  writing_ = std::move(pending_.front());
  pending_.pop_front();
  write_timer_.expires_after(shared_->options.write_timeout);
  write_timer_.async_wait([self = shared_from_this()](error_code ec) {
    if (!ec && self->write_in_flight_ && self->write_timer_.expiry() <= Clock::now()) {
      self->finish();
    }
  });
  ws_.text(true);
  ws_.async_write(asio::buffer(writing_),
                  [self = shared_from_this()](error_code ec, size_t) { self->on_written(ec); });
}

void Stream::on_written(error_code ec) {
  write_in_flight_ = false;
  write_timer_.cancel();
  n_outbox_.fetch_sub(writing_.size());
  writing_.clear();
  if (is_gone_) return;
  if (ec) return finish();
  if (!pending_.empty()) return flush();
  if (close_reason_) close_now();
}

void Stream::begin_close(CloseCode code, const std::string& reason) {
  if (is_gone_ || close_reason_) return;
  if (!is_open_) return finish();
  close_reason_.emplace(static_cast<websocket::close_code>(code), reason);
  if (!write_in_flight_) close_now();
}

void Stream::close_now() {
  ws_.async_close(*close_reason_, [self = shared_from_this()](error_code) { self->finish(); });
}

void Stream::finish() {
  if (is_gone_) return;
  is_gone_ = true;
  n_outbox_.fetch_add(kGone);
  write_timer_.cancel();
  pending_.clear();
  const auto kNever = websocket::stream_base::none();
  ws_.set_option(websocket::stream_base::timeout{kNever, kNever, false});  // ends its timer
  error_code ec;
  ws_.next_layer().close(ec);
  const WebSocketHandlers handlers = std::exchange(wish_.handlers, {});
  if (is_open_) handlers.on_closed();
  std::exchange(on_gone_, nullptr)();
}

// One of the words of a header's list, in any case.
bool has_word(std::string_view list, std::string_view word) {
  while (!list.empty()) {
    std::string_view item = list.substr(0, list.find(','));
    list.remove_prefix(std::min(item.size() + 1, list.size()));
    while (!item.empty() && (item.front() == ' ' || item.front() == '\t')) item.remove_prefix(1);
    while (!item.empty() && (item.back() == ' ' || item.back() == '\t')) item.remove_suffix(1);
    if (equal_ignoring_case(item, word)) return true;
  }
  return false;
}

}  // namespace

std::shared_ptr<WebSocketStream> WebSocketStream::make(std::shared_ptr<ServerShared> shared,
                                                       asio::ip::tcp::socket socket,
                                                       WebSocketWish wish) {
  return std::make_shared<Stream>(std::move(shared), std::move(socket), std::move(wish));
}

bool is_websocket_request(const Request& request) {
  constexpr size_t kKeyCharacters = 24;  // of 16 bytes in base64
  return request.method == "GET" && has_word(request.header("upgrade"), "websocket") &&
         has_word(request.header("connection"), "upgrade") &&
         request.header("sec-websocket-version") == "13" &&
         request.header("sec-websocket-key").size() == kKeyCharacters;
}

}  // namespace maru::net
