#include "apps/divergence.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

namespace maru::apps {
namespace {

TEST(ComparePosition, IsZeroForTheSameDistributionWhateverTheLogitsOffset) {
  const std::array<float, 3> p = {std::log(0.5f), std::log(0.3f), std::log(0.2f)};
  const std::array<float, 3> logits = {p[0] + 7, p[1] + 7, p[2] + 7};
  const PositionDivergence d = compare_position(p, logits, 1);
  EXPECT_NEAR(d.kl, 0.0, 1e-6);
  EXPECT_NEAR(d.nll, -std::log(0.3), 1e-6);
  EXPECT_NEAR(d.reference_nll, -std::log(0.3), 1e-6);
  EXPECT_TRUE(d.same_top);
}

TEST(ComparePosition, SumsTheReferencesWeights) {
  const std::array<float, 3> p = {std::log(0.5f), std::log(0.3f), std::log(0.2f)};
  const std::array<float, 3> q = {std::log(0.2f), std::log(0.3f), std::log(0.5f)};
  const PositionDivergence d = compare_position(p, q, 2);
  EXPECT_NEAR(d.kl, 0.5 * std::log(0.5 / 0.2) + 0.2 * std::log(0.2 / 0.5), 1e-6);
  EXPECT_NEAR(d.nll, -std::log(0.5), 1e-6);
  EXPECT_FALSE(d.same_top);
}

class ReferenceFile : public testing::Test {
 protected:
  template <class T>
  void put(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  // Two chunks of 8 tokens over 5 words; every record has scale 0.5 and lowest -3.
  void fill(int32_t token = 4) {
    bytes_ = "_logits_";
    for (const int32_t n : {8, 5, 2}) put(n);
    for (int32_t i = 0; i < 16; ++i) put(i == 15 ? token : i % 5);
    for (int record = 0; record < 2 * 3; ++record) {
      put(0.5f);
      put(-3.0f);
      for (uint16_t i = 0; i < 6; ++i) put(static_cast<uint16_t>(record + i));
    }
  }
  Result<ReferenceRun> open() {
    std::ofstream(path_, std::ios::binary) << bytes_;
    return ReferenceRun::open(path_);
  }
  void TearDown() override { std::remove(path_.c_str()); }

  const std::string path_ = testing::TempDir() + "reference.kld";
  std::string bytes_;
};

TEST_F(ReferenceFile, GivesTokensAndProbabilities) {
  fill();
  const auto run = open();
  ASSERT_TRUE(run.has_value()) << run.error().message;
  EXPECT_EQ(run->context(), 8u);
  EXPECT_EQ(run->n_vocab(), 5u);
  EXPECT_EQ(run->n_chunks(), 2u);
  EXPECT_EQ(run->first_scored(), 4u);
  EXPECT_EQ(run->scored_per_chunk(), 3u);
  EXPECT_EQ(run->tokens(1)[0], 8 % 5);
  std::vector<float> p(5);
  run->log_probabilities(1, 2, p);
  EXPECT_EQ(p, (std::vector<float>{-0.5f, 0.0f, 0.5f, 1.0f, 1.5f}));
}

TEST_F(ReferenceFile, RefusesWhatIsCutShortOrNoSuchFile) {
  fill();
  const std::string whole = bytes_;
  for (size_t size = 0; size < whole.size(); ++size) {
    bytes_ = whole.substr(0, size);
    EXPECT_FALSE(open().has_value()) << size;
  }
  bytes_ = whole;
  bytes_[0] = 'x';
  EXPECT_FALSE(open().has_value());
  for (const int32_t token : {-1, 5}) {
    fill(token);
    EXPECT_FALSE(open().has_value()) << token;
  }
}

TEST_F(ReferenceFile, RefusesNumbersThatWouldOverflow) {
  for (const int field : {0, 1, 2}) {
    for (const int32_t value : {0, -1, 1 << 30}) {
      fill();
      bytes_.replace(8 + 4 * static_cast<size_t>(field), 4,
                     std::string(reinterpret_cast<const char*>(&value), 4));
      EXPECT_FALSE(open().has_value()) << field << " " << value;
    }
  }
}

}  // namespace
}  // namespace maru::apps
