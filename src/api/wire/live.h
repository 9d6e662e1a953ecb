// What a client says over /api/live: one JSON object in each message.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "api/wire/fields.h"

namespace maru::api {

struct LiveWish {
  enum class Kind : uint8_t { kFollow, kUnfollow, kStop, kPing };
  Kind kind = Kind::kPing;
  std::string message;  // id; empty for kPing
  size_t from = 0;      // kFollow: a byte of the answer
};

// What is wrong goes to `problems`; the result is of no use then.
LiveWish parse_live(std::string_view text, Problems& problems);

}  // namespace maru::api
