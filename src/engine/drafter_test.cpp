#include "engine/drafter.h"

#include <gtest/gtest.h>

#include <random>

#include "engine/testing/run_requests.h"

namespace maru::engine {
namespace {

using namespace testing;

const FakeShape kSure{.page_tokens = 16, .windows = {0, 7}, .max_rows = 160, .sharpness = 16.0f};

std::chrono::steady_clock::time_point still() { return {}; }

std::unique_ptr<Drafter> make_drafter(
    const FakeShape& shape,
    std::shared_ptr<FakeRunner::Log> log = std::make_shared<FakeRunner::Log>(),
    uint32_t context_length = 512) {
  return Drafter::create(std::make_unique<FakeRunner>(shape, std::move(log)), context_length, still)
      .value();
}

std::vector<TokenId> some_text(uint64_t seed, size_t n) {
  std::mt19937_64 random(seed);
  std::vector<TokenId> tokens(n);
  for (TokenId& token : tokens) token = static_cast<TokenId>(random() % 24);
  return tokens;
}

std::vector<TokenId> guesses(Drafter& drafter, std::span<const TokenId> tokens, size_t n) {
  std::vector<TokenId> draft;
  drafter.guess(tokens, n, draft);
  return draft;
}

Outcome run_requests(const std::vector<Request>& requests, std::unique_ptr<Drafter> drafter) {
  std::chrono::steady_clock::time_point now{};
  const auto log = make_timed_log(now);
  const SchedulerOptions options{.max_running = 4, .max_chunk = 32, .chunk_multiple = 8};
  const auto loop = ModelLoop::create("m", std::make_unique<FakeRunner>(kSure, log),
                                      uint64_t{1} << 24, options, [&] { return now; })
                        .value();
  if (drafter != nullptr) {
    EXPECT_TRUE(loop->set_drafter(std::move(drafter)).has_value());
  }
  Outcome run = run_to_end(*loop, requests);
  EXPECT_EQ(log->n_violations, 0u);
  return run;
}

TEST(Drafter, GuessesWhatTheModelWouldSay) {
  auto log = std::make_shared<FakeRunner::Log>();
  const auto drafter = make_drafter(kSure, log);
  const std::vector<TokenId> text = some_text(1, 40);
  const std::vector<TokenId> draft = guesses(*drafter, text, 6);
  ASSERT_GE(draft.size(), 3u);
  std::vector<TokenId> tokens = text;
  for (const TokenId token : draft) {
    const auto logits = fake_oracle_logits(kSure, tokens).back();
    EXPECT_EQ(token, std::max_element(logits.begin(), logits.end()) - logits.begin());
    tokens.push_back(token);
  }
  EXPECT_EQ(log->n_violations, 0u);
}

TEST(Drafter, GoesOnFromWhatTextsShare) {
  auto log = std::make_shared<FakeRunner::Log>();
  const auto drafter = make_drafter(kSure, log);
  std::mt19937_64 random(2);
  std::vector<TokenId> text = some_text(3, 30);
  for (int round = 0; round < 200; ++round) {
    // Goes back somewhere, and on with something else.
    text.resize(1 + random() % text.size());
    const auto more = some_text(random(), 1 + random() % 40);
    text.insert(text.end(), more.begin(), more.end());
    text.resize(std::min<size_t>(text.size(), 120));
    const uint64_t before = log->n_rows;
    const auto draft = guesses(*drafter, text, 4);
    EXPECT_LE(log->n_rows - before, text.size() + 4);
    const auto fresh = make_drafter(kSure);
    ASSERT_EQ(draft, guesses(*fresh, text, 4)) << round;
  }
  EXPECT_EQ(log->n_violations, 0u);
}

TEST(Drafter, ReadsLongTextsInPiecesAndTooLongOnesNotAtAll) {
  const auto drafter = make_drafter(kSure);
  const std::vector<TokenId> text = some_text(4, 2 * Drafter::kCatchUp + 20);
  EXPECT_TRUE(guesses(*drafter, text, 4).empty());
  EXPECT_TRUE(guesses(*drafter, text, 4).empty());
  EXPECT_FALSE(guesses(*drafter, text, 4).empty());

  const auto small = make_drafter(kSure, std::make_shared<FakeRunner::Log>(), 64);
  EXPECT_TRUE(guesses(*small, std::span(text).first(100), 4).empty());
  EXPECT_FALSE(guesses(*small, std::span(text).first(40), 4).empty());
}

TEST(Drafter, IsSilentWhenUnsureOrBroken) {
  FakeShape unsure = kSure;
  unsure.sharpness = 0.01f;
  EXPECT_TRUE(guesses(*make_drafter(unsure), some_text(5, 20), 4).empty());
  FakeShape broken = kSure;
  broken.nan_token = 3;
  const std::vector<TokenId> text = {1, 2, 3};
  EXPECT_TRUE(guesses(*make_drafter(broken), text, 4).empty());
}

TEST(Drafter, WantsTheSameVocabularyAndEnoughRows) {
  FakeShape other = kSure;
  other.vocab_size = 23;
  auto loop = ModelLoop::create(
                  "m", std::make_unique<FakeRunner>(kSure, std::make_shared<FakeRunner::Log>()),
                  uint64_t{1} << 24, {.max_running = 4, .max_chunk = 32}, still)
                  .value();
  const Status refused = loop->set_drafter(make_drafter(other));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
  FakeShape narrow = kSure;
  narrow.max_rows = 16;
  const auto made = Drafter::create(
      std::make_unique<FakeRunner>(narrow, std::make_shared<FakeRunner::Log>()), 64, still);
  EXPECT_FALSE(made.has_value());
}

TEST(Drafter, SavesStepsAndChangesNothing) {
  std::mt19937_64 random(9);
  uint64_t n_plain = 0, n_drafting = 0;
  for (size_t world = 0; world < 40; ++world) {
    std::vector<Request> requests;
    for (size_t i = 0; i < 1 + world % 3; ++i) {
      Request r;
      r.id = i + 1;
      r.model = "m";
      r.prompt = some_text(random(), 5 + random() % 60);
      r.max_new_tokens = 50;
      r.sampling.temperature = i % 2 == 0 ? 0.0f : 0.8f;
      r.sampling.seed = random();
      r.end_tokens = {17};
      requests.push_back(std::move(r));
    }
    auto log = std::make_shared<FakeRunner::Log>();
    // Half of them guess by another model: most guesses are wrong.
    FakeShape guessing = kSure;
    if (world % 2 == 1) guessing.windows = {0};
    const Outcome plain = run_requests(requests, nullptr);
    const Outcome drafting = run_requests(requests, make_drafter(guessing, log));
    EXPECT_EQ(log->n_violations, 0u);
    for (const Request& request : requests) {
      ASSERT_EQ(plain.told.at(request.id).tokens, drafting.told.at(request.id).tokens);
      ASSERT_EQ(plain.told.at(request.id).reason, drafting.told.at(request.id).reason);
    }
    if (requests.size() > 1 || world % 2 == 1) continue;
    n_plain += plain.stats.n_steps;
    n_drafting += drafting.stats.n_steps;
  }
  EXPECT_LT(2 * n_drafting, n_plain);
}

}  // namespace
}  // namespace maru::engine
