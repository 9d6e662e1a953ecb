#include "net/response_head.h"

#include <algorithm>
#include <ctime>
#include <random>

#include "base/log.h"

namespace maru::net {
namespace {

constexpr size_t kMaxRequestIdBytes = 128;

const char* reason(int status) {
  switch (status) {
    case 200: return "OK";
    case 201: return "Created";
    case 304: return "Not Modified";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 413: return "Content Too Large";
    case 415: return "Unsupported Media Type";
    case 426: return "Upgrade Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 503: return "Service Unavailable";
    default: return "";  // may be empty (RFC 9112 section 4)
  }
}

std::string date_now() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char text[40];
  const size_t n = std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &utc);
  return std::string(text, n);
}

// Header values never break out of their line.
std::string one_line(std::string_view value) {
  std::string out(value);
  std::erase_if(out, [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
  return out;
}

}  // namespace

std::string make_response_head(const Response& response, std::string_view request_id,
                               bool keep_alive, std::string_view framing) {
  std::string head = fmt::format("HTTP/1.1 {} {}\r\nDate: {}\r\n", response.status,
                                 reason(response.status), date_now());
  if (!response.content_type.empty()) {
    head += fmt::format("Content-Type: {}\r\n", one_line(response.content_type));
  }
  for (const Header& h : response.headers) {
    head += fmt::format("{}: {}\r\n", one_line(h.name), one_line(h.value));
  }
  head += fmt::format("x-request-id: {}\r\nConnection: {}\r\n{}\r\n", request_id,
                      keep_alive ? "keep-alive" : "close", framing);
  return head;
}

bool is_sane_request_id(std::string_view id) {
  const auto is_sane = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_' || c == '.';
  };
  return !id.empty() && id.size() <= kMaxRequestIdBytes &&
         std::all_of(id.begin(), id.end(), is_sane);
}

std::string make_request_id() {
  thread_local std::mt19937_64 random{std::random_device{}()};
  return fmt::format("req_{:016x}", random());
}

}  // namespace maru::net
