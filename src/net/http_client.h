// An HTTP/1.1 client for one request at a time (libcurl): bounded, without a proxy, since it talks
// to servers that a person named. send_request() follows no redirect; fetch() does, within the list
// of hosts that may be contacted. Thread-safe (no shared state).
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "net/egress.h"
#include "net/http.h"

namespace maru::net {

struct ClientResponse;

struct ClientRequest {
  std::string method = "GET";
  std::string url;  // http:// or https://
  std::vector<Header> headers;
  std::string body;
  std::chrono::milliseconds connect_timeout{5'000};
  std::chrono::milliseconds idle_timeout{0};  // without a byte; 0: none
  size_t max_body_bytes = size_t{16} << 20;   // of an answer that is kept
  // Gets the body of an answer with status 200 or 206 piece by piece instead of keeping it.
  std::function<void(std::string_view)> on_bytes;
  // Asked before the first piece with status and headers; false ends the exchange.
  std::function<bool(const ClientResponse&)> on_head;
  // Where the connection may go; null: anywhere, as the caller's person named the place.
  const EgressTarget* guard = nullptr;
  // Asked ten times a second and after each piece; true ends the exchange.
  std::function<bool()> should_stop;
};

struct ClientResponse {
  int status = 0;
  std::vector<Header> headers;
  std::string body;         // empty if on_bytes took it
  std::string redirect;     // absolute URL of a 3xx answer's Location; else empty
  bool is_stopped = false;  // by should_stop or on_head

  // The value of the first header of that name (any case); empty when there is none.
  std::string_view header(std::string_view name) const;
};

// Errors: kUnavailable (no connection, timed out, broken off), kInvalidArgument (the URL),
// kTooLarge, kForbidden (an address that `guard` does not allow).
Result<ClientResponse> send_request(const ClientRequest& request);

inline constexpr int kMaxRedirects = 3;

// Sends the request and follows up to kMaxRedirects redirects, each hop checked against `egress`
// before anything is sent: its host, its scheme, and the address that it resolves to. `token`, if
// not empty, goes as a bearer token to the first URL's own origin and to no other. Errors: those of
// send_request, kForbidden.
Result<ClientResponse> fetch(ClientRequest request, const EgressList& egress,
                             const std::string& token = "");

}  // namespace maru::net
