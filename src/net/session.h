// Inside net only: one connection, and what all connections of a server share.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "net/server.h"

namespace maru::net {

class Session;

struct ServerShared {
  ServerOptions options;
  Handler handler;
  boost::asio::io_context io;
  std::mutex mutex;
  std::condition_variable none_left;
  std::unordered_map<const Session*, std::weak_ptr<Session>> sessions;  // guarded by mutex
  std::atomic<bool> stopping{false};
  std::atomic<bool> stopped{false};  // no thread runs tasks any more
};

void start_session(std::shared_ptr<ServerShared> shared, boost::asio::ip::tcp::socket socket);
// Lets the running answer finish, and closes at once if there is none or `now`.
void stop_session(const std::shared_ptr<Session>& session, bool now);

}  // namespace maru::net
