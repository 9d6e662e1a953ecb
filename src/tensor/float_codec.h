// Block formats that are plain floats: a block is one value, a panel is [k, 16] of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/kernel_api.h"
#include "tensor/format.h"

namespace maru::tensor {

// Spec: Element (the stored integer or float), static float to_float(Element),
// static Element from_float(float).
template <class Spec>
class FloatCodec {
  using Element = typename Spec::Element;
  static constexpr size_t kSize = sizeof(Element);
  static constexpr size_t kRows = kernels::kPanelRows;

  static Element load(const uint8_t* p) {
    Element x;
    std::memcpy(&x, p, kSize);
    return x;
  }

 public:
  static void dequantise(const uint8_t* blocks, float* out, size_t n) {
    for (size_t i = 0; i < n; ++i) out[i] = Spec::to_float(load(blocks + i * kSize));
  }

  static void quantise(const float* x, uint8_t* blocks, size_t n) {
    for (size_t i = 0; i < n; ++i) {
      const Element element = Spec::from_float(x[i]);
      std::memcpy(blocks + i * kSize, &element, kSize);
    }
  }

  static size_t panel_bytes(size_t k) { return (k * kRows * kSize + 63) / 64 * 64; }

  static void pack_panel(const uint8_t* const rows[kRows], size_t k, uint8_t* panel) {
    for (size_t row = 0; row < kRows; ++row) {
      for (size_t i = 0; i < k; ++i) {
        const Element element = rows[row] == nullptr ? Element{} : load(rows[row] + i * kSize);
        std::memcpy(panel + (i * kRows + row) * kSize, &element, kSize);
      }
    }
    std::memset(panel + k * kRows * kSize, 0, panel_bytes(k) - k * kRows * kSize);
  }

  static void unpack_row(const uint8_t* panel, size_t row, size_t k, float* out) {
    for (size_t i = 0; i < k; ++i) {
      out[i] = Spec::to_float(load(panel + (i * kRows + row) * kSize));
    }
  }
};

template <class Spec>
constexpr BlockFormat make_float_format(const char* name, uint32_t gguf_type) {
  using Codec = FloatCodec<Spec>;
  return {.name = name,
          .gguf_type = gguf_type,
          .block_values = 1,
          .block_bytes = sizeof(typename Spec::Element),
          .dequantise = Codec::dequantise,
          .quantise = Codec::quantise,
          .layout = name,
          .float_input = true,
          .panel_bytes = Codec::panel_bytes,
          .pack_panel = Codec::pack_panel,
          .unpack_row = Codec::unpack_row};
}

}  // namespace maru::tensor
