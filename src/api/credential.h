// Where a request carries what it proves itself with: the one place that reads it.
#pragma once

#include <string>

#include "base/result.h"
#include "net/http.h"
#include "service/sign_in.h"

namespace maru::api {

inline constexpr const char* kSessionCookie = "maru_session";

// `Authorization: Bearer KEY` (the scheme in any case, one such header), or the session's cookie
// with X-CSRF-Token. A key counts where both are sent. Errors: kUnauthenticated (another scheme, or
// a header or cookie that is there twice).
Result<service::Credential> read_credential(const net::Request& request);

// The Set-Cookie header of a session; an empty token takes the cookie away.
net::Header session_cookie(const std::string& token, bool is_secure);
// Whether the browser came by https, as far as a proxy in front or the page's origin tells.
bool came_by_https(const net::Request& request);

}  // namespace maru::api
