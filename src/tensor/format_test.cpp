// Block formats against the GGUF reference (tools/oracle/make_block_formats.py) and their packed
// form.
#include "tensor/format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/json.h"
#include "base/thread_pool.h"
#include "kernels/half.h"
#include "tensor/packed_weight.h"
#include "tensor/test_blocks.h"

namespace maru::tensor {
namespace {

std::vector<uint8_t> bytes_of_hex(const std::string& hex) {
  std::vector<uint8_t> bytes(hex.size() / 2);
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<uint8_t>(std::stoi(hex.substr(2 * i, 2), nullptr, 16));
  }
  return bytes;
}

std::vector<float> floats_of_hex(const std::string& hex) {
  const std::vector<uint8_t> bytes = bytes_of_hex(hex);
  std::vector<float> x(bytes.size() / 4);
  std::memcpy(x.data(), bytes.data(), bytes.size());
  return x;
}

Json load_goldens() {
  auto text = read_file(MARU_SOURCE_DIR "/src/tensor/testdata/block_formats.json", 1 << 20);
  EXPECT_TRUE(text) << text.error().to_string();
  auto json = parse_json(*text);
  EXPECT_TRUE(json) << json.error().to_string();
  return *json;
}

// Equal bits; any NaN equals any NaN.
void expect_same(std::span<const float> got, std::span<const float> want) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) {
    if (std::isnan(got[i]) && std::isnan(want[i])) continue;
    ASSERT_EQ(kernels::float_to_bits(got[i]), kernels::float_to_bits(want[i]))
        << "value " << i << ": " << got[i] << " is not " << want[i];
  }
}

TEST(BlockFormat, DequantisesAsTheReferenceToTheBit) {
  const Json goldens = load_goldens();
  EXPECT_GE(goldens.size(), 13u);
  for (const auto& [name, golden] : goldens.items()) {
    SCOPED_TRACE(name);
    const BlockFormat* format = find_format(name);
    ASSERT_NE(format, nullptr);
    EXPECT_EQ(format, find_format_by_gguf_type(golden["gguf_type"].get<uint32_t>()));
    EXPECT_EQ(format->block_values, golden["block_values"].get<size_t>());
    EXPECT_EQ(format->block_bytes, golden["block_bytes"].get<size_t>());
    const auto blocks = bytes_of_hex(golden["blocks"].get<std::string>());
    const auto want = floats_of_hex(golden["floats"].get<std::string>());
    std::vector<float> got(want.size());
    format->dequantise(blocks.data(), got.data(), got.size());
    expect_same(got, want);
  }
}

TEST(BlockFormat, QuantisesAsTheReference) {
  size_t n_checked = 0;
  const Json goldens = load_goldens();
  for (const auto& [name, golden] : goldens.items()) {
    if (!golden.contains("x")) continue;
    SCOPED_TRACE(name);
    const BlockFormat* format = find_format(name);
    ASSERT_NE(format, nullptr);
    ASSERT_NE(format->quantise, nullptr);
    const auto x = floats_of_hex(golden["x"].get<std::string>());
    std::vector<uint8_t> got(format_bytes(*format, x.size()));
    format->quantise(x.data(), got.data(), x.size());
    EXPECT_EQ(got, bytes_of_hex(golden["quantised"].get<std::string>()));
    ++n_checked;
  }
  EXPECT_EQ(n_checked, 7u);
}

TEST(BlockFormat, PackedRowsGiveTheSameValues) {
  Random random(1);
  for (const BlockFormat* format : all_formats()) {
    for (size_t n_rows : {16u, 5u}) {
      SCOPED_TRACE(std::string(format->name) + ", rows " + std::to_string(n_rows));
      const size_t k = format->block_values == 1 ? 37 : 3 * format->block_values;
      const size_t row_bytes = format_bytes(*format, k);
      const auto rows = random_blocks(*format, n_rows * k, random);
      const uint8_t* sources[16] = {};
      for (size_t i = 0; i < n_rows; ++i) sources[i] = rows.data() + i * row_bytes;
      const size_t panel_bytes = format->panel_bytes(k);
      EXPECT_EQ(panel_bytes % 64, 0u);
      std::vector<uint8_t> panel(panel_bytes, 0xaa);
      format->pack_panel(sources, k, panel.data());
      std::vector<float> got(k), want(k);
      for (size_t i = 0; i < 16; ++i) {
        format->unpack_row(panel.data(), i, k, got.data());
        std::fill(want.begin(), want.end(), 0.0f);
        if (i < n_rows) {
          format->dequantise(sources[i], want.data(), k);
          expect_same(got, want);
        } else {
          for (float v : got) ASSERT_EQ(v, 0.0f);
        }
      }
    }
  }
}

TEST(BlockFormat, PackedFormTakesHardlyMoreThanTheFile) {
  for (const BlockFormat* format : all_formats()) {
    const double file = 16.0 * static_cast<double>(format_bytes(*format, 2048));
    EXPECT_LE(static_cast<double>(format->panel_bytes(2048)), 1.04 * file) << format->name;
  }
}

TEST(BlockFormat, HalvesRoundToNearestEven) {
  for (uint32_t h = 0; h < 0x10000; ++h) {
    const float x = kernels::f16_to_f32(static_cast<uint16_t>(h));
    if (std::isnan(x)) continue;
    ASSERT_EQ(kernels::f32_to_f16(x), h);
  }
  EXPECT_EQ(kernels::f32_to_f16(1.0f + 0x1p-11f), 0x3c00);  // tie to even, down
  EXPECT_EQ(kernels::f32_to_f16(1.0f + 3 * 0x1p-11f), 0x3c02);
  EXPECT_EQ(kernels::f32_to_f16(65519.9f), 0x7bff);
  EXPECT_EQ(kernels::f32_to_f16(65520.0f), 0x7c00);
  EXPECT_EQ(kernels::f32_to_f16(0x1p-25f), 0x0000);
  EXPECT_EQ(kernels::f32_to_f16(-0x1.8p-25f), 0x8001);
  EXPECT_TRUE(std::isnan(kernels::f16_to_f32(kernels::f32_to_f16(NAN))));
  EXPECT_TRUE(std::isnan(kernels::bf16_to_f32(kernels::f32_to_bf16(NAN))));
}

TEST(PackedWeight, ReadsRowsBack) {
  Random random(2);
  ThreadPool pool(2);
  const BlockFormat& format = *find_format("q4_1");
  const size_t n_out = 50, k = 96;
  const auto rows = random_blocks(format, n_out * k, random);
  const auto weight = PackedWeight::pack(format, rows.data(), n_out, k, pool);
  EXPECT_EQ(weight.n_panels(), 4u);
  EXPECT_EQ(weight.bytes(), PackedWeight::packed_bytes(format, n_out, k));
  std::vector<float> got(k), want(k);
  for (size_t row : {size_t{0}, size_t{17}, size_t{49}}) {
    weight.read_row(row, got.data());
    format.dequantise(rows.data() + row * format_bytes(format, k), want.data(), k);
    expect_same(got, want);
  }
}

}  // namespace
}  // namespace maru::tensor
