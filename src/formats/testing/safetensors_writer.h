// Test support: writes safetensors files. Names must need no JSON escapes. Not for production use.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "formats/testing/bytes_out.h"

namespace maru::formats::testing {

// A file with this header text in front of `data`.
inline std::vector<uint8_t> safetensors_bytes(std::string_view header,
                                              const std::vector<uint8_t>& data) {
  BytesOut out;
  out.put_string(header);
  out.put_raw(data);
  return out.bytes();
}

class SafetensorsWriter {
 public:
  // `dtype` as in the file: "F32", "F16", "BF16"...
  void add_tensor(std::string_view name, const std::vector<uint64_t>& shape, std::string_view dtype,
                  const std::vector<uint8_t>& data) {
    std::string dims;
    for (const uint64_t extent : shape) {
      dims += (dims.empty() ? "" : ",") + std::to_string(extent);
    }
    const size_t begin = data_.size();
    data_.put_raw(data);
    entries_ += entries_.empty() ? "" : ",";
    entries_ += "\"" + std::string(name) + "\":{\"dtype\":\"" + std::string(dtype) +
                "\",\"shape\":[" + dims + "],\"data_offsets\":[" + std::to_string(begin) + "," +
                std::to_string(data_.size()) + "]}";
  }
  void add_tensor(std::string_view name, const std::vector<uint64_t>& shape,
                  const std::vector<float>& values) {
    add_tensor(name, shape, "F32", bytes_of(values));
  }

  std::vector<uint8_t> finish() const {
    std::string header = "{" + entries_ + "}";
    while (header.size() % 8 != 0) header += ' ';
    return safetensors_bytes(header, data_.bytes());
  }

 private:
  std::string entries_;
  BytesOut data_;
};

}  // namespace maru::formats::testing
