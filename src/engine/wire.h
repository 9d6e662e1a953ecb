// Requests and events as bytes, so that the engine can live in another process. The form is
// versioned and canonical: what decodes, encodes to the same bytes. docs/engine.md has the layout.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "engine/engine.h"

namespace maru::engine {

// Limits of what decode accepts; encode does not check them.
inline constexpr size_t kMaxWireBytes = size_t{256} << 20;
inline constexpr size_t kMaxWireString = size_t{1} << 16;

std::vector<uint8_t> encode_request(const Request& request);
std::vector<uint8_t> encode_event(const Event& event);

// Errors: kCorrupt with the offset (truncated, trailing bytes, an unknown version or enumerator, a
// length beyond the data or a limit). Never allocates more than a small multiple of bytes.size().
// Values are not judged here: submit() does that.
Result<Request> decode_request(std::span<const uint8_t> bytes);
Result<Event> decode_event(std::span<const uint8_t> bytes);

}  // namespace maru::engine
