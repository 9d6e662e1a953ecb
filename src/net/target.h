// The request target (RFC 9112 section 3.2): origin form "/path?query", or the absolute form
// "http://host/path?query" that proxies send. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace maru::net {

struct Target {
  std::string path;       // percent-decoded
  std::string query;      // raw
  std::string authority;  // of the absolute form, else empty
};

// Undoes percent escapes (RFC 3986 section 2.1); nothing else is looked at. nullopt: a broken one.
std::optional<std::string> percent_decode(std::string_view text);

// Errors: kInvalidArgument for another form, a broken percent escape, a control character or
// bytes that are not UTF-8 in the path.
Result<Target> parse_target(std::string_view target);

}  // namespace maru::net
