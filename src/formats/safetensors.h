// Reader of safetensors: one file, or a sharded set named by model.safetensors.index.json.
// Same guarantees as formats/gguf.h. Immutable after open; thread-safe.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/mapped_file.h"
#include "base/result.h"
#include "formats/tensor_info.h"

namespace maru::formats {

// Tensors have the same description as GGUF's; gguf_type is the ggml id of F32 (0), F16 (1) or
// BF16 (30). Other dtypes are listed by name in unsupported() and refused only when asked for.
class SafetensorsSet {
 public:
  // `folder` holds model.safetensors, or model.safetensors.index.json and its shards. Errors:
  // kNotFound, kCorrupt (file and tensor named), kTooLarge (a header past its limit).
  static Result<SafetensorsSet> open_folder(const std::string& folder);
  static Result<SafetensorsSet> open_files(const std::vector<std::string>& paths);
  // One file's bytes in memory, which must outlive the object (fuzzing, tests).
  static Result<SafetensorsSet> parse(std::span<const uint8_t> bytes);

  const TensorInfo* find_tensor(std::string_view name) const;
  const std::vector<TensorInfo>& tensors() const { return tensors_; }
  // name -> dtype spelling of tensors whose dtype this reader does not know.
  const std::unordered_map<std::string, std::string>& unsupported() const { return unsupported_; }
  const std::vector<MappedFile>& files() const { return files_; }

 private:
  // Adds one file's tensors. Overlap is checked once, after the last file.
  Status add_file(std::span<const uint8_t> bytes);

  std::vector<MappedFile> files_;
  std::vector<TensorInfo> tensors_;
  std::unordered_map<std::string, size_t> index_;
  std::unordered_map<std::string, std::string> unsupported_;
};

}  // namespace maru::formats
