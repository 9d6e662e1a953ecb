// Products of 16-bit integers by vpdpwssd: 12 rows by two panels of sums stay in registers, pairs
// of activations come as memory broadcasts.
#include <immintrin.h>

#include "kernels/kernel_api.h"

namespace maru::kernels {
namespace {

// sum + w . the pair at p, in every lane. GCC 12 spills the sums around the intrinsic.
inline __m512i add_products(__m512i sum, __m512i w, const int16_t* p) {
  using Pair = int32_t __attribute__((may_alias));
  __asm__("vpdpwssd %2%{1to16%}, %1, %0"
          : "+v"(sum)
          : "v"(w), "m"(*reinterpret_cast<const Pair*>(p)));
  return sum;
}

// body(Index<0>), body(Index<1>)...: GCC keeps an array in registers only if all its indices are
// constants from the beginning.
template <size_t kValue>
struct Index {
  static constexpr size_t value = kValue;
};
template <size_t kEnd, size_t kBegin = 0, class Body>
[[gnu::always_inline]] inline void unrolled(const Body& body) {
  if constexpr (kBegin < kEnd) {
    body(Index<kBegin>{});
    unrolled<kEnd, kBegin + 1>(body);
  }
}

inline void store_sums(const Linear16Args& a, size_t row, size_t column, __m512i sums) {
  const __m512 step =
      _mm512_mul_ps(_mm512_set1_ps(a.x_steps[row]), _mm512_loadu_ps(a.weight_steps + column));
  __m512 y = _mm512_mul_ps(_mm512_cvtepi32_ps(sums), step);
  if (a.bias != nullptr) y = _mm512_add_ps(y, _mm512_loadu_ps(a.bias + column));
  _mm512_storeu_ps(a.out + row * a.ld_out + column, y);
}

template <size_t kRows, size_t kPanels>
void tile(const Linear16Args& a, size_t panel, size_t row) {
  constexpr size_t kBases = (kRows + 2) / 3;  // addresses are base + 0, 1 or 2 rows
  const size_t ld = a.ld_x, panel_size = a.ld_x * kPanelRows;
  const int16_t* w = a.weight + panel * panel_size;
  const int16_t* x[kBases];
  for (size_t b = 0; b < kBases; ++b) x[b] = a.x + (row + 3 * b) * ld;
  constexpr size_t kSums = kRows * kPanels;
  __m512i sums[kSums];
  unrolled<kSums>([&](auto i) { sums[i.value] = _mm512_setzero_si512(); });
  for (const int16_t* end = w + panel_size; w < end; w += 2 * kPanelRows) {
    __m512i weights[kPanels];
    unrolled<kPanels>(
        [&](auto p) { weights[p.value] = _mm512_load_si512(w + p.value * panel_size); });
    unrolled<kSums>([&](auto i) {
      constexpr size_t kRow = i.value / kPanels, kPanel = i.value % kPanels;
      sums[i.value] = add_products(sums[i.value], weights[kPanel], x[kRow / 3] + kRow % 3 * ld);
    });
    unrolled<kBases>([&](auto b) { x[b.value] += 2; });
  }
  unrolled<kSums>([&](auto i) {
    constexpr size_t kRow = i.value / kPanels, kPanel = i.value % kPanels;
    store_sums(a, row + kRow, (panel + kPanel) * kPanelRows, sums[i.value]);
  });
}

template <size_t kPanels>
void panels(const Linear16Args& a, size_t panel) {
  size_t row = a.row_begin;
  for (; row + 12 <= a.row_end; row += 12) tile<12, kPanels>(a, panel, row);
  for (; row + 6 <= a.row_end; row += 6) tile<6, kPanels>(a, panel, row);
  for (; row + 3 <= a.row_end; row += 3) tile<3, kPanels>(a, panel, row);
  for (; row < a.row_end; ++row) tile<1, kPanels>(a, panel, row);
}

void linear16(const Linear16Args& a) {
  size_t panel = a.panel_begin;
  for (; panel + 2 <= a.panel_end; panel += 2) panels<2>(a, panel);
  for (; panel < a.panel_end; ++panel) panels<1>(a, panel);
}

}  // namespace

extern const Kernel kernel_linear16_avx512;
constinit const Kernel kernel_linear16_avx512 = {
    Op::kLinear16, Isa::kAvx512, nullptr, {.linear16 = linear16}};
}  // namespace maru::kernels
