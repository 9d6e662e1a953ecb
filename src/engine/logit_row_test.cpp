// Sampling that reads few blocks of a row against sampling that looks at every token: the same
// token, whatever the parameters.
#include "engine/logit_row.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <random>
#include <unordered_map>
#include <unordered_set>

#include "engine/sampler.h"
#include "kernels/dispatch.h"

namespace maru::engine {
namespace {

struct World {
  SamplingParams params;
  std::vector<TokenId> prompt;
  std::vector<float> logits;
};

World random_world(std::mt19937_64& random) {
  const auto pick = [&](size_t n) { return static_cast<size_t>(random() % n); };
  World w;
  const size_t sizes[] = {1, 7, 255, 256, 257, 1000, 5000, 40'000};
  const size_t n = sizes[pick(8)];
  std::normal_distribution<float> normal(0.0f, pick(2) == 0 ? 0.3f : 4.0f);
  w.logits.resize(n);
  const size_t kind = pick(4);
  for (float& x : w.logits) {
    x = normal(random);
    if (kind == 0) x = std::round(x);                               // ties
    if (kind == 1) x = 7.0f + static_cast<float>(pick(9)) * 5e-7f;  // ties once they are tempered
  }
  const float temperatures[] = {0.0f, 1.0f, 0.7f, 0.05f, 1.9f, 1e-30f, 1e6f};
  w.params.temperature = temperatures[pick(7)];
  if (pick(3) == 0)
    w.params.top_k = static_cast<int32_t>(pick(2) == 0 ? 1 + pick(80) : 1 + pick(n));
  if (pick(2) == 0) w.params.top_p = static_cast<float>(pick(1001)) / 1000.0f;
  if (pick(4) == 0) w.params.typical_p = static_cast<float>(pick(1001)) / 1000.0f;
  if (pick(3) == 0) w.params.min_p = static_cast<float>(pick(1001)) / 1000.0f;
  if (pick(5) == 0) w.params.repetition_penalty = 1.3f;
  if (pick(5) == 0) w.params.frequency_penalty = 0.4f;
  if (pick(5) == 0) w.params.presence_penalty = -0.6f;
  if (pick(5) == 0) w.params.logit_bias = {{static_cast<TokenId>(pick(n)), 3.0f}};
  w.params.seed = random();
  for (size_t i = 0; i < pick(30); ++i) w.prompt.push_back(static_cast<TokenId>(pick(n)));
  return w;
}

// Looks at all candidates in every step. None where rounding decides, which can only be in a draw
// over the whole vocabulary: its sums are floats, block by block.
std::optional<TokenId> sample_fully(const World& w,
                                    const std::unordered_map<TokenId, uint32_t>& generated,
                                    uint32_t position) {
  const SamplingParams& p = w.params;
  const bool is_greedy = p.temperature == 0.0f;
  std::unordered_set<TokenId> prompt;
  if (p.repetition_penalty != 1.0f) prompt.insert(w.prompt.begin(), w.prompt.end());
  SamplerContext context{p, generated, prompt};
  std::vector<float> logits = w.logits;
  std::vector<Candidate> all;
  for (const SamplerStep* step : all_sampler_steps()) {
    if (step->adjust != nullptr && step->is_active(p)) step->adjust(context, logits);
  }
  for (size_t i = 0; i < logits.size(); ++i) all.push_back({static_cast<TokenId>(i), logits[i]});
  if (is_greedy) return std::min_element(all.begin(), all.end(), more_likely)->id;
  if (p.top_k == 0 && p.typical_p >= 1.0f && p.top_p < 1.0f) {
    std::vector<kernels::LogitBlock> blocks;
    const LogitRow row = sum_up(logits, std::min(1.0f / p.temperature, 1e30f), blocks);
    context.log_sum = log_sum_exp(row, most_likely(row).logit);
  }
  for (const SamplerStep* step : all_sampler_steps()) {
    if (step->cut != nullptr && step->is_active(p)) step->cut(context, all);
  }
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  float largest = all.front().logit;
  for (const Candidate& c : all) largest = std::max(largest, c.logit);
  double total = 0.0;
  for (const Candidate& c : all) total += std::exp(static_cast<double>(c.logit - largest));
  const double target = uniform_at(p.seed, position) * total;
  const bool is_whole = all.size() == logits.size();
  double reached = 0.0;
  for (const Candidate& c : all) {
    reached += std::exp(static_cast<double>(c.logit - largest));
    if (is_whole && std::fabs(reached - target) < 2e-6 * total) return std::nullopt;
    if (reached > target) return c.id;
  }
  return std::nullopt;
}

TEST(LogitRow, SamplingFewBlocksDrawsWhatLookingAtAllDraws) {
  std::mt19937_64 random(77);
  int n_compared = 0;
  for (int run = 0; run < 3000; ++run) {
    const World w = random_world(random);
    Sampler sampler(w.params, w.prompt);
    std::unordered_map<TokenId, uint32_t> generated;
    for (uint32_t position = 0; position < 3; ++position) {
      const auto expected = sample_fully(w, generated, position);
      // Sums as a step makes them, none, or others than the sampler asks for.
      std::vector<kernels::LogitBlock> blocks;
      const float scale = run % 3 == 0 ? 0.25f : run % 3 == 1 ? 0.0f : sampler.sum_scale();
      const auto token = sampler.sample(sum_up(w.logits, scale, blocks), position);
      ASSERT_TRUE(token.has_value());
      if (expected) {
        ASSERT_EQ(*token, *expected) << "run " << run << ", position " << position;
        ++n_compared;
      }
      ++generated[*token];
    }
  }
  EXPECT_GT(n_compared, 8000);
}

TEST(LogitRow, TheDrawFollowsTheDistributionAcrossBlocks) {
  // Five blocks with weights far from equal; each token's share against its probability.
  constexpr size_t kVocab = 5 * kernels::kLogitBlock - 100;
  std::vector<float> logits(kVocab, -20.0f);
  const std::vector<std::pair<TokenId, float>> likely = {
      {3, 1.0f}, {255, 2.0f}, {256, 0.5f}, {700, 2.5f}, {1179, 1.5f}};
  double sum = 0.0;
  for (const auto& [id, logit] : likely) {
    logits[static_cast<size_t>(id)] = logit;
    sum += std::exp(static_cast<double>(logit));
  }
  std::vector<kernels::LogitBlock> blocks;
  const LogitRow row = sum_up(logits, 1.0f, blocks);
  constexpr int kDraws = 50'000;
  std::map<TokenId, int> counts;
  for (int i = 0; i < kDraws; ++i) ++counts[draw(row, (i + 0.5) / kDraws)];
  for (const auto& [id, logit] : likely) {
    const double expected = std::exp(static_cast<double>(logit)) / sum * kDraws;
    EXPECT_NEAR(counts[id], expected, 3.0) << id;  // evenly spread targets: off by rounding only
  }
  EXPECT_EQ(draw(row, 0.0), 0);
  EXPECT_EQ(draw(row, std::nextafter(1.0, 0.0)), static_cast<TokenId>(kVocab - 1));
}

TEST(LogitRow, GathersWhatReachesTheLeast) {
  std::mt19937_64 random(5);
  std::vector<float> logits(3000);
  for (float& x : logits) x = static_cast<float>(random() % 1000);
  std::vector<kernels::LogitBlock> blocks;
  const LogitRow row = sum_up(logits, 0.0f, blocks);
  for (const float least : {-1.0f, 500.0f, 990.0f, 2000.0f}) {
    std::vector<Candidate> found;
    gather(row, least, found);
    size_t n = 0;
    for (size_t i = 0; i < logits.size(); ++i) {
      if (logits[i] < least) continue;
      ASSERT_LT(n, found.size());
      ASSERT_EQ(found[n].id, static_cast<TokenId>(i));
      ASSERT_EQ(found[n++].logit, logits[i]);
    }
    ASSERT_EQ(n, found.size());
  }
}

}  // namespace
}  // namespace maru::engine
