#include "net/server.h"

#include <sys/resource.h>

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/write.hpp>
#include <thread>
#include <utility>

#include "base/log.h"
#include "net/session.h"

namespace maru::net {

namespace asio = boost::asio;
using boost::system::error_code;
using tcp = asio::ip::tcp;

namespace {

constexpr std::chrono::milliseconds kAcceptPause{100};  // after a failed accept (no descriptors)
constexpr std::string_view kTooManyConnections =
    "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n"
    "Connection: close\r\n\r\n";

// Accepts on one address.
class Listener : public std::enable_shared_from_this<Listener> {
 public:
  explicit Listener(std::shared_ptr<ServerShared> shared)
      : shared_(std::move(shared)),
        acceptor_(asio::make_strand(shared_->io)),
        pause_(acceptor_.get_executor()) {}

  error_code open(const tcp::endpoint& endpoint) {
    error_code ec;
    acceptor_.open(endpoint.protocol(), ec);
    if (!ec) acceptor_.set_option(tcp::acceptor::reuse_address(true), ec);
    if (!ec && endpoint.address().is_v6()) acceptor_.set_option(asio::ip::v6_only(true), ec);
    if (!ec) acceptor_.bind(endpoint, ec);
    if (!ec) acceptor_.listen(asio::socket_base::max_listen_connections, ec);
    return ec;
  }

  uint16_t port() const {
    error_code ec;
    return acceptor_.local_endpoint(ec).port();
  }

  void accept() {
    acceptor_.async_accept(asio::make_strand(shared_->io),
                           [self = shared_from_this()](error_code ec, tcp::socket socket) {
                             self->on_accept(ec, std::move(socket));
                           });
  }

  void close() {
    asio::post(acceptor_.get_executor(), [self = shared_from_this()] {
      error_code ec;
      self->acceptor_.close(ec);
    });
  }

 private:
  void on_accept(error_code ec, tcp::socket socket) {
    if (shared_->stopping.load() || ec == asio::error::operation_aborted) return;
    if (ec) {
      log_warning("accepting a connection failed: {}", ec.message());
      pause_.expires_after(kAcceptPause);
      pause_.async_wait([self = shared_from_this()](error_code) { self->accept(); });
      return;
    }
    size_t n_sessions = 0;
    {
      const std::lock_guard lock(shared_->mutex);
      n_sessions = shared_->sessions.size();
    }
    if (n_sessions >= shared_->options.max_connections) {
      socket.non_blocking(true, ec);
      socket.write_some(asio::buffer(kTooManyConnections), ec);
      socket.close(ec);
    } else {
      start_session(shared_, std::move(socket));
    }
    accept();
  }

  const std::shared_ptr<ServerShared> shared_;
  tcp::acceptor acceptor_;  // on a strand: accepting and closing never meet
  asio::steady_timer pause_;
};

Result<std::vector<asio::ip::address>> resolve(asio::io_context& io, const std::string& host) {
  std::string name = host;
  if (name.size() > 1 && name.front() == '[' && name.back() == ']') {
    name = name.substr(1, name.size() - 2);
  }
  error_code ec;
  const asio::ip::address literal = asio::ip::make_address(name, ec);
  if (!ec) return std::vector{literal};
  if (equal_ignoring_case(name, "localhost")) {
    return std::vector<asio::ip::address>{asio::ip::address_v4::loopback(),
                                          asio::ip::address_v6::loopback()};
  }
  std::vector<asio::ip::address> addresses;
  tcp::resolver resolver(io);
  for (const auto& entry : resolver.resolve(name, "", ec)) {
    addresses.push_back(entry.endpoint().address());
  }
  if (ec || addresses.empty()) {
    return Error{ErrorCode::kInvalidArgument, "the host '" + host + "' has no address",
                 "give an IP address of this machine, such as 127.0.0.1", "host"};
  }
  return addresses;
}

// Every connection is an open file, and models, the store and logs are some more. Gives how many
// connections there is room for.
uint32_t make_room(uint32_t max_connections) {
  constexpr rlim_t kOthers = 256;
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return max_connections;
  const rlim_t wanted = max_connections + kOthers;
  if (limit.rlim_cur < wanted) {
    limit.rlim_cur = std::min(wanted, limit.rlim_max);
    setrlimit(RLIMIT_NOFILE, &limit);
    getrlimit(RLIMIT_NOFILE, &limit);
  }
  if (limit.rlim_cur >= wanted) return max_connections;
  const auto room = static_cast<uint32_t>(limit.rlim_cur > 2 * kOthers ? limit.rlim_cur - kOthers
                                                                       : limit.rlim_cur / 2);
  log_warning(
      "at most {} connections at once: the system allows this program {} open files, {} are needed "
      "for {}; raise the hard limit (ulimit -Hn, or LimitNOFILE in systemd)",
      room, limit.rlim_cur, wanted, max_connections);
  return room;
}

}  // namespace

struct Server::Impl {
  std::shared_ptr<ServerShared> shared = std::make_shared<ServerShared>();
  std::vector<std::shared_ptr<Listener>> listeners;
  std::vector<std::thread> threads;
  uint16_t port = 0;
  std::mutex stop_mutex;
};

Result<std::unique_ptr<Server>> Server::start(ServerOptions options, Handler handler) {
  auto impl = std::make_unique<Impl>();
  ServerShared& shared = *impl->shared;
  shared.options = std::move(options);
  shared.options.max_connections = make_room(shared.options.max_connections);
  shared.handler = std::move(handler);
  MARU_ASSIGN_OR_RETURN(const auto addresses, resolve(shared.io, shared.options.host));
  impl->port = shared.options.port;
  error_code first_failure;
  for (const asio::ip::address& address : addresses) {
    auto listener = std::make_shared<Listener>(impl->shared);
    const error_code ec = listener->open(tcp::endpoint(address, impl->port));
    if (ec) {
      if (!first_failure) first_failure = ec;
      // "localhost" on a machine without IPv6 is fine with IPv4 alone; a port taken by another
      // program is not fine, because half of the clients would reach that one.
      if (ec == asio::error::address_in_use) break;
      continue;
    }
    impl->port = listener->port();
    impl->listeners.push_back(std::move(listener));
  }
  if (impl->listeners.empty() || first_failure == asio::error::address_in_use) {
    return Error{ErrorCode::kUnavailable,
                 fmt::format("cannot listen on {} port {}: {}", shared.options.host,
                             shared.options.port, first_failure.message()),
                 "choose another port, or end the program that uses it", "port"};
  }
  for (const auto& listener : impl->listeners) listener->accept();
  for (uint32_t i = 0; i < std::max(1u, shared.options.n_threads); ++i) {
    impl->threads.emplace_back([held = impl->shared] { held->io.run(); });
  }
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Server::~Server() { stop(std::chrono::milliseconds(0)); }

uint16_t Server::port() const { return impl_->port; }

void Server::stop(std::chrono::milliseconds grace) {
  const std::lock_guard once(impl_->stop_mutex);
  if (impl_->threads.empty()) return;
  ServerShared& shared = *impl_->shared;
  shared.stopping.store(true);
  for (const auto& listener : impl_->listeners) listener->close();
  const auto stop_all = [&shared](bool now) {
    std::vector<std::shared_ptr<Session>> running;
    {
      const std::lock_guard lock(shared.mutex);
      for (const auto& [key, weak] : shared.sessions) {
        if (auto session = weak.lock()) running.push_back(std::move(session));
      }
    }
    for (const auto& session : running) stop_session(session, now);
  };
  const auto wait_for_none = [&shared](std::chrono::milliseconds limit) {
    std::unique_lock lock(shared.mutex);
    return shared.none_left.wait_for(lock, limit, [&shared] { return shared.sessions.empty(); });
  };
  stop_all(false);
  if (!wait_for_none(grace)) {
    stop_all(true);
    // A writer held elsewhere keeps its session object alive; its socket is closed all the same.
    wait_for_none(std::chrono::milliseconds(200));
  }
  // With sockets and timers closed the threads run out of work by themselves.
  for (std::thread& thread : impl_->threads) thread.join();
  impl_->threads.clear();
  shared.stopped.store(true, std::memory_order_release);
  shared.io.restart();  // what was posted meanwhile holds sessions: let it go
  shared.io.poll();
}

}  // namespace maru::net
