// Any bytes: decoded or refused, and what is decoded encodes to the same bytes.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "engine/wire.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const uint8_t> bytes(data, size);
  if (const auto request = maru::engine::decode_request(bytes)) {
    if (!std::ranges::equal(maru::engine::encode_request(*request), bytes)) std::abort();
  }
  if (const auto event = maru::engine::decode_event(bytes)) {
    if (!std::ranges::equal(maru::engine::encode_event(*event), bytes)) std::abort();
  }
  return 0;
}
