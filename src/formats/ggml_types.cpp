#include "formats/ggml_types.h"

namespace maru::formats {
namespace {

constexpr GgmlType kTypes[] = {
    {kGgmlF32, "f32", 1, 4},
    {kGgmlF16, "f16", 1, 2},
    {2, "q4_0", 32, 2 + 16},
    {3, "q4_1", 32, 2 + 2 + 16},
    {6, "q5_0", 32, 2 + 4 + 16},
    {7, "q5_1", 32, 2 + 2 + 4 + 16},
    {8, "q8_0", 32, 2 + 32},
    {10, "q2_k", 256, 16 + 64 + 2 + 2},
    {11, "q3_k", 256, 32 + 64 + 12 + 2},
    {12, "q4_k", 256, 2 + 2 + 12 + 128},
    {13, "q5_k", 256, 2 + 2 + 12 + 32 + 128},
    {14, "q6_k", 256, 128 + 64 + 16 + 2},
    {kGgmlBf16, "bf16", 1, 2},
};

}  // namespace

const GgmlType* find_ggml_type(uint32_t id) {
  for (const GgmlType& type : kTypes) {
    if (type.id == id) return &type;
  }
  return nullptr;
}

}  // namespace maru::formats
