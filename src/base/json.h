// JSON values. The only door to nlohmann-json: parsing never throws, depth and size are bounded.
// Include base/json_fwd.h in headers and this file in sources only (compile time).
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/json_fwd.h"
#include "base/result.h"

namespace maru {

struct JsonLimits {
  size_t max_bytes = size_t{64} << 20;
  size_t max_depth = 128;    // nested arrays and objects, at most kMaxJsonDepth
  size_t max_keys = 10'000;  // of one object: Json searches them one by one
};
inline constexpr size_t kMaxJsonDepth = 256;

// Parses one JSON text (RFC 8259; UTF-8 checked; NaN and trailing text refused). Duplicate keys:
// the last one counts. Errors: kInvalidArgument with the byte offset, also past max_depth and
// max_keys; kTooLarge past max_bytes.
Result<Json> parse_json(std::string_view text, const JsonLimits& limits = {});

// A value whose objects are sorted by key. Json searches an object's keys one by one, which is
// right for messages and quadratic for a vocabulary.
using SortedJson = nlohmann::json;
// max_keys does not apply.
Result<SortedJson> parse_sorted_json(std::string_view text, const JsonLimits& limits = {});

// Compact text; bytes that are not UTF-8 become U+FFFD, so that output is always valid.
std::string dump_json(const Json& value);

// Adds "reason" and, if it has any, "values" to an object that tells an error: the error's own
// reason, or the name of its code ("unavailable").
void add_reason(Json& object, const Error& error);

}  // namespace maru
