// Any bytes as the index of a segment of stored prefixes: refused, or every entry is one that
// encodes to bytes of the file and whose rows lie inside their own.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "base/checksum.h"
#include "engine/prefix_segment.h"

namespace {

void check(std::span<const uint8_t> bytes, const maru::engine::SegmentFormat& format,
           uint64_t pages_size) {
  const auto index = maru::engine::decode_index(bytes, format, pages_size);
  if (!index) return;
  if (index->entries.size() + index->n_damaged != index->n_places) std::abort();
  for (const maru::engine::SegmentEntry& entry : index->entries) {
    if (entry.group >= format.page_bytes.size()) std::abort();
    if (entry.offset + format.page_bytes[entry.group] > pages_size) std::abort();
    const auto encoded = maru::engine::encode_entry(entry);
    if (std::ranges::search(bytes, encoded).empty()) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  maru::models::KvLayout layout;
  layout.page_tokens = 4;
  layout.groups = {{.window = 0, .n_layers = 1, .bytes_per_token = 8},
                   {.window = 6, .n_layers = 2, .bytes_per_token = 16}};
  const auto format = maru::engine::make_segment_format("fuzz", layout);
  check({data, size}, format, 4096);
  // Behind a good header, and with good checksums: what a fuzzer would hardly find by itself.
  auto bytes = maru::engine::encode_header(format);
  bytes.insert(bytes.end(), data, data + size);
  check(bytes, format, 4096);
  const size_t step = format.entry_bytes();
  for (size_t at = 64; at + step <= bytes.size(); at += step) {
    const uint64_t checksum = maru::checksum64(std::span(bytes).subspan(at, step - 8));
    for (size_t i = 0; i < 8; ++i) {
      bytes[at + step - 8 + i] = static_cast<uint8_t>(checksum >> (8 * i));
    }
  }
  check(bytes, format, 4096);
  return 0;
}
