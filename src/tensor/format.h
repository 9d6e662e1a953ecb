// Block formats of weights: how a file stores them and how the program keeps them. One file per
// format in src/tensor/formats/, defining `extern const BlockFormat format_<file name>`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace maru::tensor {

struct BlockFormat {
  const char* name;     // GGUF's spelling in lower case: "q4_1", "f16"
  uint32_t gguf_type;   // ggml type id in a GGUF file
  size_t block_values;  // values in a block (1 for f32, f16, bf16)
  size_t block_bytes;   // bytes of a block in a file

  // File form -> float. n is a multiple of block_values. The exact values of the GGUF reference.
  void (*dequantise)(const uint8_t* blocks, float* out, size_t n);
  // Float -> file form, for tests, tools and conversions. Null where not offered.
  void (*quantise)(const float* x, uint8_t* blocks, size_t n);

  // The packed form (docs/formats/packed-weights.md): 16 rows at a time in compute order.
  const char* layout;               // names the linear kernels that read it
  bool float_input;                 // the kernels take float rows instead of quantised activations
  size_t (*panel_bytes)(size_t k);  // multiple of 64
  // rows[i] is null for rows beyond the matrix; they become zeros.
  void (*pack_panel)(const uint8_t* const rows[16], size_t k, uint8_t* panel);
  // Reads row `row` (0..15) of a panel back as float [k]; equal to dequantise of the file's row.
  void (*unpack_row)(const uint8_t* panel, size_t row, size_t k, float* out);
};

std::span<const BlockFormat* const> all_formats();
const BlockFormat* find_format(std::string_view name);            // null if unknown
const BlockFormat* find_format_by_gguf_type(uint32_t gguf_type);  // null if unknown

// Bytes of `n` values in the file form; n must be a multiple of block_values.
size_t format_bytes(const BlockFormat& format, size_t n);

}  // namespace maru::tensor
