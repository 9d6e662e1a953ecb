// A cursor over untrusted little-endian bytes. Every read is checked against what remains; errors
// name the byte offset. Not thread-safe.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/result.h"

namespace maru::formats {

static_assert(std::endian::native == std::endian::little, "containers are read in place");

class ByteReader {
 public:
  explicit ByteReader(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  uint64_t offset() const { return offset_; }
  uint64_t remaining() const { return bytes_.size() - offset_; }

  // `what` names the field in the error.
  template <class T>
  Result<T> read(const char* what) {
    static_assert(std::is_arithmetic_v<T>);
    MARU_ASSIGN_OR_RETURN(const std::span<const uint8_t> raw, read_bytes(sizeof(T), what));
    T value;
    std::memcpy(&value, raw.data(), sizeof(T));
    return value;
  }

  // A 64-bit length and that many bytes; false, and nothing read, if they are not all there. The
  // cheap form for vocabularies of hundreds of thousands of strings.
  bool try_read_string(std::string_view& out) {
    uint64_t length = 0;
    if (remaining() < sizeof(length)) return false;
    std::memcpy(&length, bytes_.data() + offset_, sizeof(length));
    if (length > remaining() - sizeof(length)) return false;
    out = {reinterpret_cast<const char*>(bytes_.data() + offset_ + sizeof(length)), length};
    offset_ += sizeof(length) + length;
    return true;
  }

  Result<std::span<const uint8_t>> read_bytes(uint64_t count, const char* what) {
    if (count > remaining()) {
      return Error{ErrorCode::kCorrupt,
                   std::string(what) + " at byte " + std::to_string(offset_) + " needs " +
                       std::to_string(count) + " bytes, " + std::to_string(remaining()) +
                       " are left",
                   "the file is cut short or damaged; fetch it again"};
    }
    const std::span<const uint8_t> raw = bytes_.subspan(offset_, count);
    offset_ += count;
    return raw;
  }

 private:
  std::span<const uint8_t> bytes_;
  size_t offset_ = 0;
};

// A name from a file, safe to print: quoted, control and non-ASCII bytes as \xNN, cut at 80 bytes.
std::string quote_name(std::string_view name);

// a * b and a + b, or false on overflow.
inline bool multiply(uint64_t a, uint64_t b, uint64_t& out) {
  return !__builtin_mul_overflow(a, b, &out);
}
inline bool add(uint64_t a, uint64_t b, uint64_t& out) {
  return !__builtin_add_overflow(a, b, &out);
}

}  // namespace maru::formats
