// Plain values of HTTP: what a handler gets and gives. No library type crosses this border.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace maru::net {

struct Header {
  std::string name;
  std::string value;
};

struct Request {
  std::string method;  // upper case, as sent
  std::string path;    // percent-decoded, starts with '/', no control characters
  std::string query;   // after '?', still encoded
  std::string host;    // of the Host header (or of an absolute target), with its port if sent
  std::vector<Header> headers;
  std::string body;
  std::string remote_address;
  std::string id;  // the client's x-request-id if sane, else made here; sent back on the response

  // The value of the first header of that name (any case); empty when there is none.
  std::string_view header(std::string_view name) const;
};

struct Response {
  int status = 200;
  std::string body;
  std::string content_type = "application/json";
  std::vector<Header> headers = {};  // beside content-type, content-length and x-request-id
};

// Whether two header names or host names are equal, ASCII letters compared in any case.
bool equal_ignoring_case(std::string_view a, std::string_view b);

}  // namespace maru::net
