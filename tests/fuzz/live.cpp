// What clients say over /api/live, of any bytes: a wish with its fields in bounds, or a named
// refusal.
#include "api/wire/live.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  maru::api::Problems problems;
  const maru::api::LiveWish wish = maru::api::parse_live(text, problems);
  if (problems.any()) {
    MARU_CHECK(problems.first().status == 400 && !problems.first().message.empty());
  } else if (wish.kind == maru::api::LiveWish::Kind::kPing) {
    MARU_CHECK(wish.message.empty() && wish.from == 0);
  } else {
    MARU_CHECK(!wish.message.empty() && wish.message.size() <= size && wish.from <= INT32_MAX);
  }
  return 0;
}
