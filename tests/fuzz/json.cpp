// Any bytes as JSON: an error, or a value that comes back the same from its own text.
#include "base/json.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto value = maru::parse_json(text);
  if (!value) {
    if (value.error().message.empty()) __builtin_trap();
    return 0;
  }
  const auto again = maru::parse_json(maru::dump_json(*value));
  if (!again || *again != *value) __builtin_trap();
  return 0;
}
