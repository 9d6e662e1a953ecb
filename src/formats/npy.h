// NumPy's .npy files (format version 1.0) of float32 and int32, in C order: what `maru logits`
// writes and what golden tests read. Thread-safe (no state).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace maru::formats {

template <class T>
struct NpyArray {
  std::vector<uint64_t> shape;  // outermost first
  std::vector<T> values;
};

// T is float or int32_t; the file must hold exactly that type, little-endian. Errors: kNotFound,
// kCorrupt, kTooLarge (1 GiB), kInvalidArgument (another type, Fortran order).
template <class T>
Result<NpyArray<T>> read_npy(const std::string& path);
template <class T>
Result<NpyArray<T>> parse_npy(std::string_view bytes);

// The bytes that come before the values, padded to a multiple of 64.
template <class T>
std::string npy_header(std::span<const uint64_t> shape);

// Replaces `path` atomically. `values` has as many elements as `shape` says.
template <class T>
Status write_npy(const std::string& path, std::span<const uint64_t> shape,
                 std::span<const T> values);

}  // namespace maru::formats
