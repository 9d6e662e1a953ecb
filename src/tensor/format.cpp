#include "tensor/format.h"

#include "base/check.h"

namespace maru::tensor {

extern const BlockFormat* const format_table[];  // generated, see cmake/registry.cmake
extern const unsigned long format_table_size;

std::span<const BlockFormat* const> all_formats() { return {format_table, format_table_size}; }

const BlockFormat* find_format(std::string_view name) {
  for (const BlockFormat* format : all_formats()) {
    if (name == format->name) return format;
  }
  return nullptr;
}

const BlockFormat* find_format_by_gguf_type(uint32_t gguf_type) {
  for (const BlockFormat* format : all_formats()) {
    if (gguf_type == format->gguf_type) return format;
  }
  return nullptr;
}

size_t format_bytes(const BlockFormat& format, size_t n) {
  MARU_CHECK(n % format.block_values == 0);
  return n / format.block_values * format.block_bytes;
}

}  // namespace maru::tensor
