// Inside net only: a connection that has become a WebSocket.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>
#include <string>

#include "net/session.h"
#include "net/websocket.h"

namespace maru::net {

struct WebSocketWish {
  Request request;
  WebSocketOptions options;
  WebSocketHandlers handlers;
};

// accept(), cut() and the callbacks are on the socket's executor.
class WebSocketStream : public WebSocketEnd {
 public:
  // Answers the request with 101; `on_gone` is called once when all is over.
  virtual void accept(std::function<void()> on_gone) = 0;
  virtual void cut() = 0;

  static std::shared_ptr<WebSocketStream> make(std::shared_ptr<ServerShared> shared,
                                               boost::asio::ip::tcp::socket socket,
                                               WebSocketWish wish);
};

}  // namespace maru::net
