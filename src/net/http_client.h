// An HTTP/1.1 client for one request at a time (libcurl): bounded, without redirects, and without a
// proxy, since it talks to servers that a person named. Thread-safe (no shared state).
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "net/http.h"

namespace maru::net {

struct ClientRequest {
  std::string method = "GET";
  std::string url;  // http:// or https://
  std::vector<Header> headers;
  std::string body;
  std::chrono::milliseconds connect_timeout{5'000};
  std::chrono::milliseconds idle_timeout{0};  // without a byte; 0: none
  size_t max_body_bytes = size_t{16} << 20;   // of an answer that is kept
  // Gets the body of an answer with status 200 piece by piece instead of keeping it.
  std::function<void(std::string_view)> on_bytes;
  // Asked ten times a second and after each piece; true ends the exchange.
  std::function<bool()> should_stop;
};

struct ClientResponse {
  int status = 0;
  std::string body;         // empty if on_bytes took it
  bool is_stopped = false;  // by should_stop
};

// Errors: kUnavailable (no connection, timed out, broken off), kInvalidArgument (the URL),
// kTooLarge.
Result<ClientResponse> send_request(const ClientRequest& request);

}  // namespace maru::net
