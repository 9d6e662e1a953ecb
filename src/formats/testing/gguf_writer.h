// Test support: writes GGUF files, well-formed unless asked otherwise. Not for production use: no
// checks, everything in memory.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "formats/testing/bytes_out.h"

namespace maru::formats::testing {

enum class GgufType : uint32_t {
  kUint8,
  kInt8,
  kUint16,
  kInt16,
  kUint32,
  kInt32,
  kFloat32,
  kBool,
  kString,
  kArray,
  kUint64,
  kInt64,
  kFloat64,
};

class GgufWriter {
 public:
  uint32_t version = 3;
  uint32_t alignment = 32;  // write "general.alignment" too when this differs from 32

  template <class T>
  void add(std::string_view key, GgufType type, T value) {
    begin_key(key, type);
    metadata_.put(value);
  }
  void add_uint(std::string_view key, uint32_t value) { add(key, GgufType::kUint32, value); }
  void add_float(std::string_view key, float value) { add(key, GgufType::kFloat32, value); }
  void add_bool(std::string_view key, bool value) {
    add(key, GgufType::kBool, static_cast<uint8_t>(value));
  }
  void add_string(std::string_view key, std::string_view value) {
    begin_key(key, GgufType::kString);
    metadata_.put_string(value);
  }
  template <class T>
  void add_array(std::string_view key, GgufType type, const std::vector<T>& values) {
    begin_array(key, type, values.size());
    for (const T& value : values) metadata_.put(value);
  }
  void add_strings(std::string_view key, const std::vector<std::string>& values) {
    begin_array(key, GgufType::kString, values.size());
    for (const std::string& value : values) metadata_.put_string(value);
  }
  // For malformed files: the key and the header of an array whose values never come.
  void begin_array(std::string_view key, GgufType type, uint64_t count) {
    begin_key(key, GgufType::kArray);
    metadata_.put(static_cast<uint32_t>(type));
    metadata_.put<uint64_t>(count);
  }
  void begin_key(std::string_view key, GgufType type) {
    ++n_keys_;
    metadata_.put_string(key);
    metadata_.put(static_cast<uint32_t>(type));
  }

  // `shape` is outermost first. The data goes behind that of the tensor before, aligned.
  void add_tensor(std::string_view name, std::vector<uint64_t> shape, uint32_t ggml_type,
                  const std::vector<uint8_t>& data) {
    data_.pad_to(alignment);
    add_tensor_at(name, std::move(shape), ggml_type, data_.size());
    data_.put_raw(data);
  }
  void add_tensor(std::string_view name, std::vector<uint64_t> shape,
                  const std::vector<float>& values) {
    add_tensor(name, std::move(shape), 0, bytes_of(values));
  }
  // Only the directory's entry, for malformed files.
  void add_tensor_at(std::string_view name, std::vector<uint64_t> shape, uint32_t ggml_type,
                     uint64_t offset) {
    ++n_tensors_;
    directory_.put_string(name);
    directory_.put(static_cast<uint32_t>(shape.size()));
    std::reverse(shape.begin(), shape.end());
    for (const uint64_t extent : shape) directory_.put(extent);
    directory_.put(ggml_type);
    directory_.put(offset);
  }

  std::vector<uint8_t> finish() const {
    BytesOut out;
    out.put_text("GGUF");
    out.put(version);
    out.put(n_tensors_);
    out.put(n_keys_);
    out.put_raw(metadata_.bytes());
    out.put_raw(directory_.bytes());
    if (n_tensors_ > 0) out.pad_to(alignment);
    out.put_raw(data_.bytes());
    return out.bytes();
  }

 private:
  BytesOut metadata_, directory_, data_;
  uint64_t n_keys_ = 0;
  uint64_t n_tensors_ = 0;
};

}  // namespace maru::formats::testing
