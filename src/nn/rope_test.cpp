#include "nn/rope.h"

#include <gtest/gtest.h>

#include <cmath>

namespace maru::nn {
namespace {

// The expected values come from transformers 5.23 (modeling_rope_utils.py, float32).
void expect_frequencies(const RopeSpec& rope, const std::vector<double>& expected) {
  ASSERT_EQ(rope.inv_freq.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i)
    EXPECT_NEAR(rope.inv_freq[i], expected[i], 2e-6 * expected[i]) << i;
}

TEST(Rope, LinearScalingDividesEveryFrequency) {
  RopeSpec rope = plain_rope(10000.0, 8, false);
  scale_rope_linear(rope, 4.0);
  expect_frequencies(rope, {0.25, 0.025, 0.0025, 0.00025});
}

TEST(Rope, Llama3ScalingKeepsShortWavesAndBlends) {
  RopeSpec rope = plain_rope(500000.0, 16, true);
  scale_rope_llama3(
      rope,
      {.factor = 8.0, .low_freq_factor = 1.0, .high_freq_factor = 4.0, .original_context = 64.0});
  expect_frequencies(rope, {1.0, 0.079403013, 0.0047007538, 0.00091158313, 0.00017677668,
                            3.4281024e-05, 6.6478697e-06, 1.2891732e-06});
}

TEST(Rope, YarnBlendsBetweenWholeDimensions) {
  RopeSpec rope = plain_rope(10000.0, 16, false);
  scale_rope_yarn(rope, {.base = 10000.0,
                         .factor = 4.0,
                         .original_context = 4096.0,
                         .magnitude = yarn_magnitude(4.0)});
  expect_frequencies(rope, {1.0, 0.31622776, 0.1, 0.025693506, 0.0062499996, 0.0013834966,
                            0.00025000001, 7.9056947e-05});
  EXPECT_NEAR(rope.magnitude, 1.138629436, 1e-6);
}

TEST(Rope, YarnTakesUnroundedDimensionsAndOtherTurns) {
  RopeSpec rope = plain_rope(1e6, 16, false);
  scale_rope_yarn(rope, {.base = 1e6,
                         .factor = 8.0,
                         .original_context = 512.0,
                         .beta_fast = 16.0,
                         .beta_slow = 2.0,
                         .truncate = false,
                         .magnitude = 1.25f});
  expect_frequencies(rope, {1.0, 0.17041403, 0.0073249997, 0.00070292666, 0.00012500001,
                            2.2228493e-05, 3.9528468e-06, 7.0292668e-07});
}

TEST(Rope, FactorsDivideOneByOne) {
  RopeSpec rope = plain_rope(10000.0, 4, true);
  const float factors[] = {2.0f, 5.0f};
  scale_rope_by_factors(rope, factors);
  expect_frequencies(rope, {0.5, 0.002});
}

TEST(Rope, RowHoldsCosinesThenSinesTimesMagnitude) {
  RopeSpec rope = plain_rope(10000.0, 4, false);
  rope.magnitude = 2.0f;
  float row[4];
  fill_rope_row(rope, 100000, row);
  EXPECT_FLOAT_EQ(row[0], 2.0f * static_cast<float>(std::cos(100000.0)));
  EXPECT_FLOAT_EQ(row[1], 2.0f * static_cast<float>(std::cos(1000.0)));
  EXPECT_FLOAT_EQ(row[2], 2.0f * static_cast<float>(std::sin(100000.0)));
  EXPECT_FLOAT_EQ(row[3], 2.0f * static_cast<float>(std::sin(1000.0)));
}

}  // namespace
}  // namespace maru::nn
