// /api/live: one WebSocket of a client, over which it follows any number of answers and hears what
// of the person has changed (docs/chats.md).
#include "api/wire/live.h"

#include <atomic>
#include <map>
#include <mutex>
#include <optional>

#include "api/chat_wire.h"

namespace maru::api {
namespace {

constexpr size_t kMaxFollowed = 100;

// Messages are handled on workers, one at a time: the next is read when one is done.
class Live : public std::enable_shared_from_this<Live> {
 public:
  explicit Live(const Call& call)
      : context_(call.context),
        identity_(call.identity),
        owner_(service::owner_of(call.identity)) {}

  void open(const net::WebSocket& socket);
  void take(std::string text);
  void close();

 private:
  struct Followed {
    std::shared_ptr<void> subscription;
    std::shared_ptr<std::atomic<bool>> has_ended;
  };

  void handle(const LiveWish& wish);
  Status follow(const LiveWish& wish);
  void unfollow(const std::string& message);
  bool has_room();
  void send(const Json& json) const { socket_->send(dump_json(json)); }
  void send_error(const ApiError& error, const std::string& message) const;

  const std::shared_ptr<ApiContext> context_;
  const service::Identity identity_;
  const std::string owner_;
  std::optional<net::WebSocket> socket_;  // from open() on
  std::shared_ptr<void> changes_, watch_;
  std::mutex mutex_;
  bool is_closed_ = false;
  std::map<std::string, Followed> followed_;  // by message
};

Json error_event(const ApiError& error) {
  auto json = parse_json(error_json(error, Shape::kWithReason));
  return json ? std::move(*json) : Json::object();
}

void Live::open(const net::WebSocket& socket) {
  socket_ = socket;
  changes_ = context_->chats->changes->listen(owner_, [socket](const service::Change& change) {
    socket.send(dump_json(change_json(change)));
  });
  if (context_->sign_in) {
    watch_ = context_->sign_in->watches().watch(identity_, [socket](const Error& reason) {
      Json json = error_event(to_api_error(reason));
      json["type"] = "error";
      socket.send(dump_json(json));
      socket.close(net::CloseCode::kPolicy, reason.message);
    });
  }
  send(Json{{"type", "listening"}});
  socket.receive();
}

void Live::take(std::string text) {
  const bool is_taken = context_->run_on_worker([self = shared_from_this(), t = std::move(text)] {
    Problems problems;
    const LiveWish wish = parse_live(t, problems);
    if (problems.any()) {
      self->send_error(problems.first(), "");
    } else {
      self->handle(wish);
    }
    self->socket_->receive();
  });
  if (is_taken) return;
  send_error(to_api_error(Error{ErrorCode::kRateLimited, "too many requests are waiting",
                                "try again in a moment", "", Reason{"server_busy"}}),
             "");
  socket_->receive();
}

void Live::handle(const LiveWish& wish) {
  Status status;
  switch (wish.kind) {
    case LiveWish::Kind::kPing: return send(Json{{"type", "pong"}});
    case LiveWish::Kind::kUnfollow: return unfollow(wish.message);
    case LiveWish::Kind::kStop: status = context_->chats->runs->stop(owner_, wish.message); break;
    case LiveWish::Kind::kFollow: status = follow(wish); break;
  }
  if (!status) send_error(shown_error(status.error()), wish.message);
}

Status Live::follow(const LiveWish& wish) {
  unfollow(wish.message);
  if (!has_room()) {
    return Error{ErrorCode::kRateLimited,
                 "more than " + std::to_string(kMaxFollowed) + " answers are followed",
                 "unfollow one first", "", Reason{"server_busy"}};
  }
  Followed one{nullptr, std::make_shared<std::atomic<bool>>(false)};
  MARU_ASSIGN_OR_RETURN(
      one.subscription,
      context_->chats->runs->subscribe(owner_, wish.message, wish.from,
                                       [socket = *socket_, id = wish.message,
                                        has_ended = one.has_ended](const service::RunEvent& event) {
                                         Json json = run_event_json(event);
                                         json["message"] = id;
                                         if (event.kind == service::RunEvent::Kind::kEnded)
                                           *has_ended = true;
                                         return socket.send(dump_json(json));
                                       }));
  const std::lock_guard lock(mutex_);
  if (!is_closed_) followed_[wish.message] = std::move(one);
  return {};
}

// Subscriptions are let go outside of the lock.
void Live::unfollow(const std::string& message) {
  Followed dropped;
  const std::lock_guard lock(mutex_);
  const auto found = followed_.find(message);
  if (found == followed_.end()) return;
  dropped = std::move(found->second);
  followed_.erase(found);
}

bool Live::has_room() {
  const std::lock_guard lock(mutex_);
  std::erase_if(followed_, [](const auto& item) { return item.second.has_ended->load(); });
  return followed_.size() < kMaxFollowed;
}

void Live::close() {
  changes_.reset();
  watch_.reset();
  std::map<std::string, Followed> dropped;
  const std::lock_guard lock(mutex_);
  is_closed_ = true;
  dropped.swap(followed_);
}

void Live::send_error(const ApiError& error, const std::string& message) const {
  Json json = error_event(error);
  json["type"] = "error";
  if (!message.empty()) json["message"] = message;
  send(json);
}

void open_live(const Call& call) {
  if (!net::is_websocket_request(call.request)) {
    net::Response response =
        error_response(make_http_error(426, "this address speaks WebSocket (RFC 6455, version 13)"),
                       Shape::kWithReason);
    response.headers.push_back({"Upgrade", "websocket"});
    response.headers.push_back({"Sec-WebSocket-Version", "13"});
    return call.writer.send(std::move(response));
  }
  // Other sites' pages can open a WebSocket with the cookie; browsers always name the page's site,
  // which was checked already.
  if (!call.identity.session_id.empty() && call.request.header("origin").empty()) {
    return call.fail(
        to_api_error(Error{ErrorCode::kForbidden, "the Origin header is missing",
                           "use an API key outside of browsers", "", Reason{"site_unknown"}}));
  }
  const auto live = std::make_shared<Live>(call);
  call.writer.accept_websocket(
      call.request, {},
      {.on_open = [live](const net::WebSocket& socket) { live->open(socket); },
       .on_message = [live](std::string text) { live->take(std::move(text)); },
       .on_closed = [live] { live->close(); }});
}

}  // namespace

extern const Endpoint endpoint_live;
const Endpoint endpoint_live{"live",
                             "GET",
                             "/api/live",
                             Run::kWorker,
                             {Who::kCaller, Scope::kChats, Feature::kChats},
                             with_chats<open_live>};

}  // namespace maru::api
