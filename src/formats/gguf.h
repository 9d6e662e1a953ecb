// Reader of GGUF v2 and v3 files (docs/formats/gguf.md). Every bound, offset, overflow and type is
// checked before use; a file of any content gives a value or an error, never a crash.
// Immutable after open; thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "base/mapped_file.h"
#include "base/result.h"
#include "formats/tensor_info.h"

namespace maru::formats {

// GGUF arrays are homogeneous; integers are widened to 64 bit, floats to double. Strings are bytes
// of the file, not checked to be UTF-8 (tokens need not be).
struct GgufArray {
  std::variant<std::vector<int64_t>, std::vector<uint64_t>, std::vector<double>,
               std::vector<std::string_view>, std::vector<bool>>
      values;
};
using GgufValue = std::variant<int64_t, uint64_t, double, bool, std::string_view, GgufArray>;

class GgufFile {
 public:
  // Errors: kNotFound, kCorrupt (what, at which byte offset), kTooLarge (a count past its limit),
  // kInvalidArgument (a version or tensor type that Maru does not read).
  static Result<GgufFile> open(const std::string& path);
  // The same over bytes in memory, which must outlive the object (fuzzing, tests).
  static Result<GgufFile> parse(std::span<const uint8_t> bytes);

  uint32_t version() const { return version_; }

  const GgufValue* find(std::string_view key) const;  // null if absent
  // Typed access. Absent or of another type: nullopt. Integers convert when in range, and to float.
  std::optional<uint64_t> get_uint(std::string_view key) const;
  std::optional<double> get_float(std::string_view key) const;
  std::optional<bool> get_bool(std::string_view key) const;
  std::optional<std::string_view> get_string(std::string_view key) const;
  const std::vector<std::string_view>* get_strings(std::string_view key) const;

  const TensorInfo* find_tensor(std::string_view name) const;  // null if absent
  const std::vector<TensorInfo>& tensors() const { return tensors_; }
  const std::vector<std::pair<std::string_view, GgufValue>>& metadata() const { return metadata_; }
  const MappedFile& file() const { return file_; }

 private:
  class Parser;

  MappedFile file_;
  uint32_t version_ = 0;
  std::vector<std::pair<std::string_view, GgufValue>> metadata_;
  std::unordered_map<std::string_view, size_t> metadata_index_;
  std::vector<TensorInfo> tensors_;
  std::unordered_map<std::string_view, size_t> tensor_index_;  // views of tensors_[i].name
};

}  // namespace maru::formats
