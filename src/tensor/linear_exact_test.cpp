// The integer part of every product with quantised weights: with all scales small integers, every
// float step is exact, so that all kernels must give the scalar one's bits.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <string_view>
#include <vector>

#include "kernels/block_layout.h"
#include "kernels/dispatch.h"
#include "tensor/test_amx_kernels.h"

namespace maru::kernels {
namespace {

constexpr size_t kColumns = 256, kPanels = 6, kOut = 6 * 16 - 5;

// 64-byte aligned bytes.
struct Bytes {
  explicit Bytes(size_t n) : storage(n + 64) {
    data = storage.data() + (64 - reinterpret_cast<uintptr_t>(storage.data()) % 64) % 64;
  }
  std::vector<uint8_t> storage;
  uint8_t* data;
};

void put_ones(uint8_t* p, size_t n) {
  const uint16_t one_f16 = 0x3c00;
  for (size_t i = 0; i < n; ++i) std::memcpy(p + i * 2, &one_f16, 2);
}

// Random quants; f16 scales of 1, sub-scales below 4.
template <BlockLayout L>
void fill_panel(uint8_t* panel, std::mt19937& random) {
  constexpr size_t kBlocks = L.group_values() / 32;
  for (size_t g = 0; g < kColumns / L.group_values(); ++g) {
    uint8_t* group = panel + g * L.group_bytes();
    for (size_t i = 0; i < L.group_bytes(); ++i) group[i] = static_cast<uint8_t>(random());
    put_ones(group, L.header_bytes() / 2);
    for (size_t b = 0; b < kBlocks; ++b) {
      uint8_t* scales = group + L.header_bytes() + b * L.block_bytes() + L.quant_bytes();
      const size_t n = L.block_bytes() - L.quant_bytes();
      if (!L.is_super) {
        put_ones(scales, n / 2);
      } else {
        for (size_t i = 0; i < n; ++i) scales[i] &= L.nibble_scales ? 0x33 : 0x03;
      }
    }
  }
}

std::vector<float> run(LinearFn linear, const Bytes& weight, size_t panel_bytes, const Bytes& x,
                       size_t n_rows) {
  std::vector<float> out(n_rows * kOut);
  linear({.weight = weight.data,
          .panel_bytes = panel_bytes,
          .x = x.data,
          .ld_x = kColumns,
          .n_rows = n_rows,
          .k = kColumns,
          .n_out = kOut,
          .panel_begin = 0,
          .panel_end = kPanels,
          .out = out.data(),
          .ld_out = kOut,
          .row_base = 0,
          .accumulate = false});
  return out;
}

std::vector<const Kernel*> kernels_of(std::string_view layout) {
  std::vector<const Kernel*> found;
  const auto take = [&](const Kernel& kernel) {
    if (kernel.op == Op::kLinear && layout == kernel.layout) found.push_back(&kernel);
  };
  for (const Kernel* kernel : all_kernels()) {
    if (is_supported(kernel->isa)) take(*kernel);
  }
  if (is_supported(Isa::kAvx512)) {
    for (const Kernel& kernel : amx_model_kernels()) take(kernel);
  }
  return found;
}

template <BlockLayout L>
void compare(std::string_view layout) {
  std::mt19937 random(11);
  const size_t panel_bytes = kColumns / L.group_values() * L.group_bytes();
  Bytes weight(panel_bytes * kPanels);
  for (size_t p = 0; p < kPanels; ++p) fill_panel<L>(weight.data + p * panel_bytes, random);
  const KernelSet scalar(Isa::kScalar);
  for (size_t n_rows : {1, 2, 3, 5, 6, 7, 16, 50, 80}) {
    std::vector<float> values(n_rows * kColumns);
    for (float& v : values) v = static_cast<float>(random() % 255) - 127;
    // A largest value of 127 makes a scale of 1.
    for (size_t i = 0; i < values.size(); i += 32) values[i + random() % 32] = -127;
    Bytes x(quantised_bytes(n_rows, kColumns));
    scalar.quantise({values.data(), kColumns, n_rows, kColumns, 0, n_rows, x.data});
    const auto want = run(scalar.linear(layout), weight, panel_bytes, x, n_rows);
    for (const Kernel* kernel : kernels_of(layout)) {
      const auto got = run(kernel->fn.linear, weight, panel_bytes, x, n_rows);
      ASSERT_EQ(got, want) << layout << " " << isa_name(kernel->isa) << " rows " << n_rows;
    }
    const auto [low, high] = std::minmax_element(want.begin(), want.end());
    ASSERT_LT(std::max(-*low, *high), 1 << 24) << "not exact: the test itself is wrong";
    ASSERT_LT(*low, *high);
  }
}

TEST(LinearIntegers, AreTheScalarKernelsOnEveryIsa) {
  compare<kLayoutQ4_0>("q4_0");
  compare<kLayoutQ4_1>("q4_1");
  compare<kLayoutQ5_0>("q5_0");
  compare<kLayoutQ5_1>("q5_1");
  compare<kLayoutQ8_0>("q8_0");
  compare<kLayoutQ2K>("q2_k");
  compare<kLayoutQ3K>("q3_k");
  compare<kLayoutQ4K>("q4_k");
  compare<kLayoutQ5K>("q5_k");
  compare<kLayoutQ6K>("q6_k");
}

}  // namespace
}  // namespace maru::kernels
