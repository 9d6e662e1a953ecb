#include "api/credential.h"

#include <fmt/format.h>

#include <optional>

namespace maru::api {
namespace {

Error refused(const char* what) {
  return {ErrorCode::kUnauthenticated, what, "send one header Authorization: Bearer <key>", "",
          Reason{"not_logged_in"}};
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

Result<std::string> read_bearer(std::string_view value) {
  constexpr std::string_view kScheme = "Bearer ";
  value = trim(value);
  if (value.size() <= kScheme.size() ||
      !net::equal_ignoring_case(value.substr(0, kScheme.size()), kScheme)) {
    return refused("the Authorization header holds no bearer key");
  }
  return std::string(value.substr(kScheme.size()));
}

// "a=1; b=2" (RFC 6265, 4.2.1). Sets `token`; false if it is there twice.
bool read_cookies(std::string_view header, std::string& token) {
  while (!header.empty()) {
    const size_t end = std::min(header.find(';'), header.size());
    const std::string_view pair = trim(header.substr(0, end));
    header.remove_prefix(std::min(end + 1, header.size()));
    const size_t equals = pair.find('=');
    if (equals == std::string_view::npos || pair.substr(0, equals) != kSessionCookie) continue;
    if (!token.empty()) return false;
    token = pair.substr(equals + 1);
  }
  return true;
}

}  // namespace

Result<service::Credential> read_credential(const net::Request& request) {
  service::Credential credential;
  credential.remote = request.remote_address;
  credential.changes = request.method != "GET" && request.method != "HEAD";
  credential.csrf_token = request.header("x-csrf-token");
  bool has_authorization = false;
  for (const net::Header& header : request.headers) {
    if (net::equal_ignoring_case(header.name, "authorization")) {
      if (has_authorization) return refused("there are two Authorization headers");
      has_authorization = true;
      MARU_ASSIGN_OR_RETURN(credential.key, read_bearer(header.value));
    } else if (net::equal_ignoring_case(header.name, "cookie") &&
               !read_cookies(header.value, credential.session_token)) {
      return refused("the session's cookie is there twice");
    }
  }
  return credential;
}

net::Header session_cookie(const std::string& token, bool is_secure) {
  return {
      "Set-Cookie",
      fmt::format("{}={}; Path=/; HttpOnly; SameSite=Lax; Max-Age={}{}", kSessionCookie, token,
                  token.empty() ? 0 : service::kSessionLife / 1000, is_secure ? "; Secure" : "")};
}

bool came_by_https(const net::Request& request) {
  return net::equal_ignoring_case(trim(request.header("x-forwarded-proto")), "https") ||
         request.header("origin").starts_with("https://");
}

}  // namespace maru::api
