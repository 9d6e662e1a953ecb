#include "engine/sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <random>
#include <string>

namespace maru::engine {
namespace {

using ::testing::ElementsAre;

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

const SamplerStep& step_named(const std::string& name) {
  for (const SamplerStep* step : all_sampler_steps()) {
    if (name == step->name) return *step;
  }
  ADD_FAILURE() << "no step " << name;
  return *all_sampler_steps().front();
}

std::vector<float> random_logits(std::mt19937_64& random, size_t n, float spread) {
  std::normal_distribution<float> normal(0.0f, spread);
  std::vector<float> logits(n);
  for (float& x : logits) x = normal(random);
  return logits;
}

std::vector<Candidate> candidates_of(const std::vector<float>& logits) {
  std::vector<Candidate> candidates;
  for (size_t i = 0; i < logits.size(); ++i) {
    candidates.push_back({static_cast<TokenId>(i), logits[i]});
  }
  return candidates;
}

// Applies one step and gives the ids that remain, in order of id.
std::vector<TokenId> kept_by(const std::string& name, const SamplingParams& params,
                             const std::vector<float>& logits) {
  auto candidates = candidates_of(logits);
  step_named(name).cut({params, {}, {}}, candidates);
  std::vector<TokenId> ids;
  for (const Candidate& c : candidates) {
    EXPECT_EQ(c.logit, logits[static_cast<size_t>(c.id)]);
    ids.push_back(c.id);
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

// The oracle: everything in long double, everything sorted.
struct Ranked {
  TokenId id;
  long double p;
};
std::vector<Ranked> ranked_probabilities(const std::vector<float>& logits) {
  long double sum = 0;
  for (const float x : logits) sum += std::exp(static_cast<long double>(x));
  std::vector<Ranked> ranked;
  for (size_t i = 0; i < logits.size(); ++i) {
    ranked.push_back(
        {static_cast<TokenId>(i), std::exp(static_cast<long double>(logits[i])) / sum});
  }
  std::stable_sort(ranked.begin(), ranked.end(),
                   [](const Ranked& a, const Ranked& b) { return a.p > b.p; });
  return ranked;
}

// The shortest beginning of `ranked` that reaches `mass`; false where rounding decides.
bool oracle_mass(const std::vector<Ranked>& ranked, long double mass, std::vector<TokenId>& ids) {
  long double reached = 0;
  for (const Ranked& r : ranked) {
    reached += r.p;
    ids.push_back(r.id);
    if (std::fabs(reached - mass) < 1e-6L) return false;
    if (reached >= mass) break;
  }
  std::sort(ids.begin(), ids.end());
  return true;
}

TEST(Sampler, StepsComeInTheOrderOfTheHeader) {
  std::vector<std::string> names;
  for (const SamplerStep* step : all_sampler_steps()) names.emplace_back(step->name);
  EXPECT_THAT(names, ElementsAre("logit_bias", "penalties", "top_k", "temperature", "typical_p",
                                 "top_p", "min_p"));
}

TEST(Sampler, NeutralParametersSwitchEveryStepOff) {
  for (const SamplerStep* step : all_sampler_steps()) {
    EXPECT_FALSE(step->is_active(SamplingParams{})) << step->name;
  }
}

TEST(Sampler, TopKKeepsWhatAFullSortKeeps) {
  std::mt19937_64 random(1);
  for (const size_t n : {1u, 2u, 17u, 1000u}) {
    for (const int32_t k : {1, 2, 7, 999, 5000}) {
      auto logits = random_logits(random, n, 2.0f);
      for (float& x : logits) x = std::round(x);  // many ties: the lower id wins
      const auto ranked = ranked_probabilities(logits);
      std::vector<TokenId> expected;
      for (size_t i = 0; i < std::min<size_t>(static_cast<size_t>(k), n); ++i) {
        expected.push_back(ranked[i].id);
      }
      std::sort(expected.begin(), expected.end());
      SamplingParams params;
      params.top_k = k;
      EXPECT_EQ(kept_by("top_k", params, logits), expected);
    }
  }
}

TEST(Sampler, TopPKeepsWhatAFullSortKeeps) {
  std::mt19937_64 random(2);
  int n_compared = 0;
  for (int run = 0; run < 300; ++run) {
    // Flat rows need thousands of tokens, peaked rows a few: both sides of the growing selection.
    const auto logits = random_logits(random, 1 + random() % 3000, run % 3 == 0 ? 0.1f : 4.0f);
    SamplingParams params;
    params.top_p = static_cast<float>(random() % 1000) / 1000.0f;
    std::vector<TokenId> expected;
    if (!oracle_mass(ranked_probabilities(logits), params.top_p, expected)) continue;
    ++n_compared;
    ASSERT_EQ(kept_by("top_p", params, logits), expected) << run;
  }
  EXPECT_GT(n_compared, 250);
}

TEST(Sampler, TypicalPKeepsWhatAFullSortKeeps) {
  std::mt19937_64 random(3);
  int n_compared = 0;
  for (int run = 0; run < 300; ++run) {
    const auto logits = random_logits(random, 1 + random() % 2000, run % 3 == 0 ? 0.3f : 3.0f);
    SamplingParams params;
    params.typical_p = static_cast<float>(1 + random() % 998) / 1000.0f;
    auto ranked = ranked_probabilities(logits);
    long double entropy = 0;
    for (const Ranked& r : ranked) entropy -= r.p * std::log(r.p);
    const auto distance = [&](const Ranked& r) { return std::fabs(-std::log(r.p) - entropy); };
    std::stable_sort(ranked.begin(), ranked.end(),
                     [&](const Ranked& a, const Ranked& b) { return distance(a) < distance(b); });
    std::vector<TokenId> expected;
    if (!oracle_mass(ranked, params.typical_p, expected)) continue;
    // Where two neighbours at the cut are equally typical up to rounding, either may be kept.
    if (expected.size() < ranked.size() &&
        std::fabs(distance(ranked[expected.size()]) - distance(ranked[expected.size() - 1])) <
            1e-6L) {
      continue;
    }
    ++n_compared;
    ASSERT_EQ(kept_by("typical_p", params, logits), expected) << run;
  }
  EXPECT_GT(n_compared, 200);
}

TEST(Sampler, MinPDropsTokensBelowAShareOfTheBest) {
  SamplingParams params;
  params.min_p = 0.1f;
  const auto log_of = [](double p) { return static_cast<float>(std::log(p)); };
  EXPECT_THAT(kept_by("min_p", params, {log_of(0.5), log_of(0.051), log_of(0.049), log_of(0.4)}),
              ElementsAre(0, 1, 3));
  params.min_p = 1.0f;
  EXPECT_THAT(kept_by("min_p", params, {1.0f, 3.0f, 2.0f, 3.0f}), ElementsAre(1, 3));
}

TEST(Sampler, PenaltiesFollowTheirFormulas) {
  SamplingParams params;
  params.repetition_penalty = 2.0f;
  params.frequency_penalty = 0.5f;
  params.presence_penalty = 0.25f;
  std::vector<float> logits = {4.0f, -4.0f, 4.0f, 4.0f, 1.0f};
  // 0 in prompt and answer, 1 in the prompt, 2 three times in the answer.
  step_named("penalties").adjust({params, {{0, 1}, {2, 3}}, {0, 1}}, logits);
  EXPECT_FLOAT_EQ(logits[0], 4.0f / 2.0f - 0.5f - 0.25f);
  EXPECT_FLOAT_EQ(logits[1], -8.0f);
  EXPECT_FLOAT_EQ(logits[2], 4.0f / 2.0f - 3 * 0.5f - 0.25f);
  EXPECT_FLOAT_EQ(logits[3], 4.0f);
  EXPECT_FLOAT_EQ(logits[4], 1.0f);
}

TEST(Sampler, GeneratedTokensAreCounted) {
  SamplingParams params;
  params.temperature = 0.0f;
  params.presence_penalty = 1.0f;
  Sampler sampler(params, {});
  const std::vector<float> logits = {1.0f, 1.9f, 1.5f};
  EXPECT_EQ(sampler.sample(logits, 0).value(), 1);
  EXPECT_EQ(sampler.sample(logits, 1).value(), 2);
  EXPECT_EQ(sampler.sample(logits, 2).value(), 0);
}

TEST(Sampler, LogitBiasMovesTheNamedTokens) {
  SamplingParams params;
  params.temperature = 0.0f;
  params.logit_bias = {{2, 10.0f}, {0, -100.0f}};
  EXPECT_EQ(Sampler(params, {}).sample(std::vector<float>{9.0f, 1.0f, 0.0f}, 0).value(), 2);
}

TEST(Sampler, GreedyTakesTheLowestIdOnTies) {
  SamplingParams params;
  params.temperature = 0.0f;
  params.top_k = 5;
  params.top_p = 0.1f;
  EXPECT_EQ(Sampler(params, {}).sample(std::vector<float>{1.0f, 7.0f, 7.0f, 7.0f}, 3).value(), 1);
}

TEST(Sampler, ATinyTemperatureIsGreedy) {
  SamplingParams params;
  params.temperature = 1e-30f;
  Sampler sampler(params, {});
  for (uint32_t i = 0; i < 50; ++i) {
    EXPECT_EQ(sampler.sample(std::vector<float>{1.0f, 30.0f, 29.99f}, i).value(), 1);
  }
}

TEST(Sampler, LogitsThatAreNotFiniteAreAnError) {
  for (const float bad : {kNan, kInf, -kInf}) {
    const std::vector<float> logits = {0.0f, bad, 1.0f};
    const auto token = Sampler(SamplingParams{}, {}).sample(logits, 0);
    ASSERT_FALSE(token.has_value());
    EXPECT_EQ(token.error().code, ErrorCode::kInternal);
    EXPECT_FALSE(token_logprob(logits, 0, 1).has_value());
  }
}

// Philox4x32-10 of counter 0 and key 0 gives 6627e8d5 e169c58d ... (known answers of the authors'
// Random123 library).
TEST(Sampler, UniformIsPhilox) {
  const uint64_t bits = (uint64_t{0xe169c58d} << 32) | 0x6627e8d5;
  EXPECT_EQ(uniform_at(0, 0), static_cast<double>(bits >> 11) * 0x1.0p-53);
  EXPECT_NE(uniform_at(0, 1), uniform_at(0, 0));
  EXPECT_NE(uniform_at(1, 0), uniform_at(0, 0));
}

// Pearson's chi-square of many draws against softmax: 7 degrees of freedom, 24.3 is p = 0.001. The
// draws are a function of the seed, so this never flickers.
TEST(Sampler, DrawsFollowTheDistribution) {
  const std::vector<float> logits = {0.0f, 1.0f, -1.0f, 2.0f, 0.5f, -2.0f, 1.5f, 0.2f};
  const auto ranked = ranked_probabilities(logits);
  SamplingParams params;
  params.seed = 12345;
  Sampler sampler(params, {});
  constexpr int kDraws = 100'000;
  std::map<TokenId, int> counts;
  for (int i = 0; i < kDraws; ++i) {
    ++counts[sampler.sample(logits, static_cast<uint32_t>(i)).value()];
  }
  double chi_square = 0.0;
  for (const Ranked& r : ranked) {
    const double expected = static_cast<double>(r.p) * kDraws;
    chi_square += (counts[r.id] - expected) * (counts[r.id] - expected) / expected;
  }
  EXPECT_LT(chi_square, 24.3);
}

// The same over seeds at one position: requests that differ in their seed alone are independent.
TEST(Sampler, SeedsDrawIndependently) {
  SamplingParams params;
  std::vector<int> counts(4, 0);
  for (uint64_t seed = 0; seed < 4000; ++seed) {
    params.seed = seed;
    const auto token = Sampler(params, {}).sample(std::vector<float>(4, 0.0f), 17).value();
    ++counts[static_cast<size_t>(token)];
  }
  double chi_square = 0.0;
  for (const int count : counts) chi_square += (count - 1000.0) * (count - 1000.0) / 1000.0;
  EXPECT_LT(chi_square, 16.27);  // 3 degrees of freedom, p = 0.001
}

TEST(Sampler, CutsLeaveOnlyTheirCandidatesToTheDraw) {
  SamplingParams params;
  params.top_k = 3;
  params.top_p = 0.9f;
  params.min_p = 0.05f;
  params.typical_p = 0.99f;
  std::mt19937_64 random(5);
  for (int run = 0; run < 100; ++run) {
    const auto logits = random_logits(random, 500, 1.5f);
    const auto ranked = ranked_probabilities(logits);
    params.seed = random();
    const TokenId token = Sampler(params, {}).sample(logits, 1).value();
    EXPECT_TRUE(token == ranked[0].id || token == ranked[1].id || token == ranked[2].id);
  }
}

TEST(TokenLogprob, IsLogSoftmaxWithTheBestAlternatives) {
  std::mt19937_64 random(6);
  for (int run = 0; run < 20; ++run) {
    const auto logits = random_logits(random, 700, 3.0f);
    const auto ranked = ranked_probabilities(logits);
    const auto result = token_logprob(logits, 42, 5).value();
    const auto of_42 =
        std::find_if(ranked.begin(), ranked.end(), [](auto& r) { return r.id == 42; });
    EXPECT_NEAR(result.logprob, static_cast<double>(std::log(of_42->p)), 1e-5);
    ASSERT_EQ(result.top.size(), 5u);
    for (size_t i = 0; i < 5; ++i) {
      EXPECT_EQ(result.top[i].first, ranked[i].id);
      EXPECT_NEAR(result.top[i].second, static_cast<double>(std::log(ranked[i].p)), 1e-5);
    }
  }
}

TEST(TokenLogprob, OfAHugeVocabularyLosesNothingToRounding) {
  // In float, adding 2^20 equal terms one by one is far off; the exact answer is -log(2^20).
  const std::vector<float> logits(size_t{1} << 20, 50.0f);
  EXPECT_NEAR(token_logprob(logits, 3, 0).value().logprob, -20.0 * std::log(2.0), 1e-6);
}

TEST(TokenLogprob, GivesFewerAlternativesThanAskedWhenThereAreFewer) {
  const auto result = token_logprob(std::vector<float>{1.0f, 1.0f}, 0, 20).value();
  ASSERT_EQ(result.top.size(), 2u);
  EXPECT_EQ(result.top[0].first, 0);
  EXPECT_EQ(result.top[1].first, 1);
}

TEST(CheckSampling, NamesTheParameterOutOfRange) {
  const auto param_of = [](auto change) {
    SamplingParams params;
    change(params);
    const Status status = check_sampling(params, 100);
    return status ? std::string("accepted") : status.error().param;
  };
  EXPECT_EQ(param_of([](auto&) {}), "accepted");
  EXPECT_EQ(param_of([](auto& p) { p.top_p = 0.0f; }), "accepted");
  EXPECT_EQ(param_of([](auto& p) { p.temperature = -0.1f; }), "temperature");
  EXPECT_EQ(param_of([](auto& p) { p.temperature = kNan; }), "temperature");
  EXPECT_EQ(param_of([](auto& p) { p.temperature = kInf; }), "temperature");
  EXPECT_EQ(param_of([](auto& p) { p.top_k = -1; }), "top_k");
  EXPECT_EQ(param_of([](auto& p) { p.top_p = 1.01f; }), "top_p");
  EXPECT_EQ(param_of([](auto& p) { p.min_p = kNan; }), "min_p");
  EXPECT_EQ(param_of([](auto& p) { p.typical_p = -1.0f; }), "typical_p");
  EXPECT_EQ(param_of([](auto& p) { p.presence_penalty = kInf; }), "presence_penalty");
  EXPECT_EQ(param_of([](auto& p) { p.frequency_penalty = kNan; }), "frequency_penalty");
  EXPECT_EQ(param_of([](auto& p) { p.repetition_penalty = 0.0f; }), "repetition_penalty");
  EXPECT_EQ(param_of([](auto& p) { p.logit_bias = {{100, 1.0f}}; }), "logit_bias");
  EXPECT_EQ(param_of([](auto& p) { p.logit_bias = {{-1, 1.0f}}; }), "logit_bias");
  EXPECT_EQ(param_of([](auto& p) { p.logit_bias = {{1, kNan}}; }), "logit_bias");
}

}  // namespace
}  // namespace maru::engine
