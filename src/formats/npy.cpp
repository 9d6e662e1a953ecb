#include "formats/npy.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>

#include "base/files.h"
#include "formats/byte_reader.h"

namespace maru::formats {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr size_t kMaxFileBytes = size_t{1} << 30;
constexpr size_t kMaxDims = 8;

template <class T>
constexpr std::string_view kDescriptor;
template <>
constexpr std::string_view kDescriptor<float> = "<f4";
template <>
constexpr std::string_view kDescriptor<int32_t> = "<i4";

Error corrupt(std::string message) {
  return {ErrorCode::kCorrupt, std::move(message), "write it again with numpy.save"};
}

// The text after 'key': in the header, a Python dict literal; leading spaces skipped.
std::optional<std::string_view> field(std::string_view header, std::string_view key) {
  const std::string quoted = "'" + std::string(key) + "':";
  const size_t at = header.find(quoted);
  if (at == std::string_view::npos) return std::nullopt;
  header.remove_prefix(at + quoted.size());
  header.remove_prefix(std::min(header.find_first_not_of(' '), header.size()));
  return header;
}

// "(3, 4)", "(3,)" or "()".
std::optional<std::vector<uint64_t>> parse_shape(std::string_view text) {
  const size_t end = text.find(')');
  if (!text.starts_with('(') || end == std::string_view::npos) return std::nullopt;
  text = text.substr(1, end - 1);
  std::vector<uint64_t> shape;
  while (true) {
    text.remove_prefix(std::min(text.find_first_not_of(", "), text.size()));
    if (text.empty()) return shape;
    uint64_t extent = 0;
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), extent);
    if (error != std::errc() || shape.size() == kMaxDims) return std::nullopt;
    text.remove_prefix(static_cast<size_t>(rest - text.data()));
    shape.push_back(extent);
  }
}

}  // namespace

template <class T>
Result<NpyArray<T>> parse_npy(std::string_view bytes) {
  constexpr size_t kPrefix = 10;  // magic, version, 16-bit header length
  if (bytes.size() < kPrefix || !bytes.starts_with(kMagic)) {
    return corrupt("not a .npy file");
  }
  if (bytes[6] != 1) {
    return corrupt(".npy version " + std::to_string(static_cast<uint8_t>(bytes[6])) +
                   " is not supported");
  }
  const size_t header_bytes =
      static_cast<uint8_t>(bytes[8]) + (size_t{static_cast<uint8_t>(bytes[9])} << 8);
  if (bytes.size() - kPrefix < header_bytes) return corrupt("the .npy header is cut short");
  const std::string_view header = bytes.substr(kPrefix, header_bytes);
  const std::string_view data = bytes.substr(kPrefix + header_bytes);

  const auto descriptor = field(header, "descr");
  const std::string expected = "'" + std::string(kDescriptor<T>) + "'";
  if (!descriptor || !descriptor->starts_with(expected)) {
    return Error{ErrorCode::kInvalidArgument, "the .npy file does not hold " + expected,
                 "convert the array with numpy's astype"};
  }
  const auto order = field(header, "fortran_order");
  if (!order || !order->starts_with("False")) {
    return Error{ErrorCode::kInvalidArgument, "the .npy file is not in C order",
                 "use numpy.ascontiguousarray"};
  }
  const auto shape_text = field(header, "shape");
  const auto shape = shape_text ? parse_shape(*shape_text) : std::nullopt;
  if (!shape) return corrupt("the .npy header has no shape");
  uint64_t n_bytes = sizeof(T);
  bool fits = true;
  for (const uint64_t extent : *shape) fits = fits && multiply(n_bytes, extent, n_bytes);
  if (!fits || n_bytes != data.size()) {
    return corrupt("the .npy file has " + std::to_string(data.size()) +
                   " data bytes, which is not what its shape asks for");
  }
  NpyArray<T> array;
  array.shape = *shape;
  array.values.resize(data.size() / sizeof(T));
  if (!data.empty()) std::memcpy(array.values.data(), data.data(), data.size());
  return array;
}

template <class T>
Result<NpyArray<T>> read_npy(const std::string& path) {
  MARU_ASSIGN_OR_RETURN(const std::string bytes, read_file(path, kMaxFileBytes));
  Result<NpyArray<T>> array = parse_npy<T>(bytes);
  if (!array) array.error().message = "'" + path + "': " + array.error().message;
  return array;
}

template <class T>
std::string npy_header(std::span<const uint64_t> shape) {
  std::string dict =
      "{'descr': '" + std::string(kDescriptor<T>) + "', 'fortran_order': False, 'shape': (";
  for (const uint64_t extent : shape) dict += std::to_string(extent) + ", ";
  if (shape.size() > 1) dict.resize(dict.size() - 2);
  if (shape.size() == 1) dict.resize(dict.size() - 1);
  dict += "), }";
  constexpr size_t kPrefix = 10;
  constexpr size_t kAlignment = 64;
  while ((kPrefix + dict.size() + 1) % kAlignment != 0) dict += ' ';
  dict += '\n';
  std::string out(kMagic);
  out += '\x01';
  out += '\x00';
  out += static_cast<char>(dict.size() & 0xFF);
  out += static_cast<char>(dict.size() >> 8);
  return out + dict;
}

template <class T>
Status write_npy(const std::string& path, std::span<const uint64_t> shape,
                 std::span<const T> values) {
  uint64_t n_values = 1;
  for (const uint64_t extent : shape) n_values *= extent;
  MARU_CHECK(n_values == values.size());
  std::string content = npy_header<T>(shape);
  content.append(reinterpret_cast<const char*>(values.data()), values.size_bytes());
  return write_file_atomically(path, content);
}

template Result<NpyArray<float>> parse_npy(std::string_view);
template Result<NpyArray<int32_t>> parse_npy(std::string_view);
template Result<NpyArray<float>> read_npy(const std::string&);
template Result<NpyArray<int32_t>> read_npy(const std::string&);
template std::string npy_header<float>(std::span<const uint64_t>);
template std::string npy_header<int32_t>(std::span<const uint64_t>);
template Status write_npy(const std::string&, std::span<const uint64_t>, std::span<const float>);
template Status write_npy(const std::string&, std::span<const uint64_t>, std::span<const int32_t>);

}  // namespace maru::formats
