// The fixed parts of the packed cache's form (docs/formats/packed-cache.md), for its reader and its
// writer. Private to src/tensor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace maru::tensor::packed_form {

inline constexpr uint64_t kMagic = 0x4B4341505552414D;  // "MARUPACK"
inline constexpr uint32_t kVersion = 1;
inline constexpr size_t kAlignment = 64;
inline constexpr size_t kChunk = size_t{1} << 20;  // content under one checksum

// The first bytes of the file.
struct Head {
  uint64_t magic = kMagic;
  uint32_t version = kVersion;
  uint8_t zeros[52] = {};
};

// The last bytes of the file: a file that was cut short has none.
struct Foot {
  uint64_t file_bytes = 0;
  uint64_t directory_begin = 0;
  uint64_t directory_bytes = 0;
  uint64_t directory_checksum = 0;
  uint64_t zeros[2] = {};
  uint32_t version = kVersion;
  uint32_t zero = 0;
  uint64_t foot_checksum = 0;  // of what comes before it
};

static_assert(sizeof(Head) == kAlignment && sizeof(Foot) == kAlignment);
static_assert(std::is_trivially_copyable_v<Head> && std::is_trivially_copyable_v<Foot>);

enum class PartKind : uint8_t { kMatrix = 0, kFloats = 1 };

}  // namespace maru::tensor::packed_form
