// Any bytes as a GGUF file: an error or a file whose every view can be read.
#include "formats/gguf.h"

#include <cstddef>
#include <cstdint>

namespace {

uint64_t sum_bytes(std::span<const uint8_t> bytes) {
  uint64_t sum = 0;
  for (const uint8_t byte : bytes) sum += byte;
  return sum;
}

uint64_t sum_text(std::string_view text) {
  return sum_bytes({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto file = maru::formats::GgufFile::parse({data, size});
  if (!file) {
    if (file.error().message.empty()) __builtin_trap();
    return 0;
  }
  uint64_t sum = file->version();
  for (const auto& [key, value] : file->metadata()) {
    sum += sum_text(key);
    sum += file->get_uint(key).value_or(0);
    sum += file->get_bool(key).value_or(false) ? 1 : 0;
    sum += file->get_float(key) ? 1 : 0;
    sum += sum_text(file->get_string(key).value_or(""));
    if (const auto* texts = file->get_strings(key)) {
      for (const std::string_view text : *texts) sum += sum_text(text);
    }
  }
  for (const auto& tensor : file->tensors()) {
    if (file->find_tensor(tensor.name) != &tensor) __builtin_trap();
    sum += sum_bytes(tensor.data);
  }
  volatile uint64_t keep = sum;  // the reads must happen
  static_cast<void>(keep);
  return 0;
}
