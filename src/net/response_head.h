// Inside net only: the lines before a response's body, and the ids that tie it to its request.
#pragma once

#include <string>
#include <string_view>

#include "net/http.h"

namespace maru::net {

// Status line and headers, ended by an empty line. `framing` is the line that tells the body's
// length, with its line break, or empty.
std::string make_response_head(const Response& response, std::string_view request_id,
                               bool keep_alive, std::string_view framing);

// 1 to 128 letters, digits, '-', '_' and '.'.
bool is_sane_request_id(std::string_view id);
std::string make_request_id();

}  // namespace maru::net
