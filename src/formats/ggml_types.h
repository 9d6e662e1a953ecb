// Sizes of all ggml tensor types that files use: enough to check a file's directory. Which of them
// can be decoded, and how, stands in tensor/format.h.
#pragma once

#include <cstddef>
#include <cstdint>

namespace maru::formats {

// Ids of the types stored without blocks (also the description of safetensors' tensors).
inline constexpr uint32_t kGgmlF32 = 0;
inline constexpr uint32_t kGgmlF16 = 1;
inline constexpr uint32_t kGgmlBf16 = 30;

struct GgmlType {
  uint32_t id;
  const char* name;       // GGUF's spelling in lower case
  uint32_t block_values;  // a row's length is a multiple of it
  uint32_t block_bytes;
};

// Null for a type that is not known here.
const GgmlType* find_ggml_type(uint32_t id);

}  // namespace maru::formats
