// Any bytes as a safetensors file: an error or a set whose every tensor can be read.
#include "formats/safetensors.h"

#include <cstddef>
#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto set = maru::formats::SafetensorsSet::parse({data, size});
  if (!set) {
    if (set.error().message.empty()) __builtin_trap();
    return 0;
  }
  uint64_t sum = set->unsupported().size();
  for (const auto& tensor : set->tensors()) {
    if (set->find_tensor(tensor.name) != &tensor) __builtin_trap();
    for (const uint8_t byte : tensor.data) sum += byte;
  }
  volatile uint64_t keep = sum;  // the reads must happen
  static_cast<void>(keep);
  return 0;
}
