#include "kernels/kernel_api.h"

namespace maru::kernels {
namespace {

void linear16(const Linear16Args& a) {
  for (size_t panel = a.panel_begin; panel < a.panel_end; ++panel) {
    const int16_t* weight = a.weight + panel * a.ld_x * kPanelRows;
    for (size_t row = a.row_begin; row < a.row_end; ++row) {
      const int16_t* x = a.x + row * a.ld_x;
      int32_t sums[kPanelRows] = {};
      for (size_t i = 0; i < a.ld_x; i += 2) {
        const int16_t* w = weight + i * kPanelRows;
        for (size_t j = 0; j < kPanelRows; ++j) {
          sums[j] += x[i] * w[2 * j] + x[i + 1] * w[2 * j + 1];
        }
      }
      const size_t first = panel * kPanelRows;
      for (size_t j = 0; j < kPanelRows; ++j) {
        const float y = static_cast<float>(sums[j]) * (a.x_steps[row] * a.weight_steps[first + j]);
        a.out[row * a.ld_out + first + j] = a.bias == nullptr ? y : y + a.bias[first + j];
      }
    }
  }
}

}  // namespace

extern const Kernel kernel_linear16_scalar;
constinit const Kernel kernel_linear16_scalar = {
    Op::kLinear16, Isa::kScalar, nullptr, {.linear16 = linear16}};
}  // namespace maru::kernels
