// One tensor of a container, whatever its file format. Points into a mapped file.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace maru::formats {

struct TensorInfo {
  std::string name;
  std::vector<uint64_t> shape;    // outermost first: [n_out, k]; GGUF stores the reverse
  uint32_t gguf_type = 0;         // ggml type id (formats/ggml_types.h, tensor/format.h)
  std::span<const uint8_t> data;  // length checked against shape and type; no alignment promised
};

// Refuses tensors that share bytes. Empty tensors take no room.
Status check_no_overlap(const std::vector<TensorInfo>& tensors);

}  // namespace maru::formats
