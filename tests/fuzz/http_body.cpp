// Request bodies and targets of any bytes: parsing gives a value or a named refusal.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "api/wire/body.h"
#include "api/wire/requests.h"
#include "base/check.h"
#include "base/json.h"
#include "net/target.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto target = maru::net::parse_target(text)) MARU_CHECK(!target->path.empty());
  const auto body = maru::api::parse_body(text);
  if (!body) {
    MARU_CHECK(!body.error().message.empty());
    return 0;
  }
  for (const auto parse : {maru::api::parse_chat, maru::api::parse_completion}) {
    maru::api::Problems problems;
    const maru::api::GenerationCall call = parse(*body, problems);
    if (problems.any()) {
      MARU_CHECK(problems.first().status == 400);
    } else {
      MARU_CHECK(!call.prompts.empty() && call.n >= 1);
    }
  }
  return 0;
}
