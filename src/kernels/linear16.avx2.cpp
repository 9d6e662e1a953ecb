#include <immintrin.h>

#include "kernels/kernel_api.h"

namespace maru::kernels {
namespace {

constexpr size_t kTileRows = 4;

inline __m256i load_pairs(const int16_t* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}

inline void store_half(const Linear16Args& a, size_t row, size_t column, __m256i sums) {
  const __m256 step =
      _mm256_mul_ps(_mm256_set1_ps(a.x_steps[row]), _mm256_loadu_ps(a.weight_steps + column));
  __m256 y = _mm256_mul_ps(_mm256_cvtepi32_ps(sums), step);
  if (a.bias != nullptr) y = _mm256_add_ps(y, _mm256_loadu_ps(a.bias + column));
  _mm256_storeu_ps(a.out + row * a.ld_out + column, y);
}

template <size_t kRows>
void tile(const Linear16Args& a, size_t panel, size_t row) {
  const int16_t* weight = a.weight + panel * a.ld_x * kPanelRows;
  const int16_t* x = a.x + row * a.ld_x;
  __m256i sums[kRows][2];
  for (size_t r = 0; r < kRows; ++r) sums[r][0] = sums[r][1] = _mm256_setzero_si256();
  for (size_t i = 0; i < a.ld_x; i += 2) {
    const __m256i low = load_pairs(weight + i * kPanelRows);
    const __m256i high = load_pairs(weight + i * kPanelRows + kPanelRows);
    for (size_t r = 0; r < kRows; ++r) {
      int32_t two;
      __builtin_memcpy(&two, x + r * a.ld_x + i, sizeof two);
      const __m256i pair = _mm256_set1_epi32(two);
      sums[r][0] = _mm256_add_epi32(sums[r][0], _mm256_madd_epi16(pair, low));
      sums[r][1] = _mm256_add_epi32(sums[r][1], _mm256_madd_epi16(pair, high));
    }
  }
  for (size_t r = 0; r < kRows; ++r) {
    store_half(a, row + r, panel * kPanelRows, sums[r][0]);
    store_half(a, row + r, panel * kPanelRows + kPanelRows / 2, sums[r][1]);
  }
}

void linear16(const Linear16Args& a) {
  for (size_t panel = a.panel_begin; panel < a.panel_end; ++panel) {
    size_t row = a.row_begin;
    for (; row + kTileRows <= a.row_end; row += kTileRows) tile<kTileRows>(a, panel, row);
    for (; row < a.row_end; ++row) tile<1>(a, panel, row);
  }
}

}  // namespace

extern const Kernel kernel_linear16_avx2;
constinit const Kernel kernel_linear16_avx2 = {
    Op::kLinear16, Isa::kAvx2, nullptr, {.linear16 = linear16}};
}  // namespace maru::kernels
