// Test support: builds little-endian bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace maru::formats::testing {

class BytesOut {
 public:
  template <class T>
  void put(T value) {
    const auto* raw = reinterpret_cast<const uint8_t*>(&value);
    bytes_.insert(bytes_.end(), raw, raw + sizeof(T));
  }
  void put_raw(std::span<const uint8_t> raw) {
    bytes_.insert(bytes_.end(), raw.begin(), raw.end());
  }
  void put_text(std::string_view text) { bytes_.insert(bytes_.end(), text.begin(), text.end()); }
  // GGUF's string: 64-bit length, then the bytes.
  void put_string(std::string_view text) {
    put<uint64_t>(text.size());
    put_text(text);
  }
  void pad_to(size_t alignment) {
    while (bytes_.size() % alignment != 0) bytes_.push_back(0);
  }

  size_t size() const { return bytes_.size(); }
  const std::vector<uint8_t>& bytes() const { return bytes_; }

 private:
  std::vector<uint8_t> bytes_;
};

// The bytes of a vector of numbers.
template <class T>
std::vector<uint8_t> bytes_of(const std::vector<T>& values) {
  const auto* raw = reinterpret_cast<const uint8_t*>(values.data());
  return {raw, raw + values.size() * sizeof(T)};
}

}  // namespace maru::formats::testing
