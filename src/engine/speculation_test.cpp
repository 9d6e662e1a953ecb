// Guessing ahead: what is guessed, when it pays, and that answers stay the same.
#include "engine/speculation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <map>
#include <random>

#include "engine/local_engine.h"
#include "engine/model_loop.h"
#include "engine/testing/run_requests.h"
#include "formats/gguf.h"
#include "text/tokenizer.h"

namespace maru::engine {
namespace {

using ::testing::ElementsAre;
using testing::FakeRunner;
using testing::FakeShape;
using ::testing::IsEmpty;
using testing::make_timed_log;
using testing::Outcome;
using testing::run_to_end;
using testing::Told;

std::vector<TokenId> draft_of(const std::vector<TokenId>& tokens, size_t n_most) {
  std::vector<TokenId> draft;
  look_up_draft(tokens, n_most, draft);
  return draft;
}

TEST(LookUpDraft, TakesWhatFollowedTheLongestMatch) {
  // 1 2 3 was followed by 7 and, after a 9, by 8.
  EXPECT_THAT(draft_of({9, 1, 2, 3, 8, 8, 1, 2, 3, 7, 7, 9, 1, 2, 3}, 2), ElementsAre(8, 8));
  EXPECT_THAT(draft_of({9, 1, 2, 3, 8, 8, 1, 2, 3, 7, 7, 5, 1, 2, 3}, 2), ElementsAre(7, 7));
}

TEST(LookUpDraft, NeedsThreeTokens) {
  EXPECT_THAT(draft_of({1, 2, 4, 5, 1, 2}, 4), IsEmpty());
  EXPECT_THAT(draft_of({1, 2, 3}, 4), IsEmpty());
  EXPECT_THAT(draft_of({}, 4), IsEmpty());
  EXPECT_THAT(draft_of({1, 2, 3, 1, 2, 3}, 0), IsEmpty());
}

TEST(LookUpDraft, RepeatsALoopBehindTheEnd) {
  EXPECT_THAT(draft_of({5, 1, 2, 1, 2, 1, 2}, 5), ElementsAre(1, 2, 1, 2, 1));
  EXPECT_THAT(draft_of({4, 4, 4, 4}, 3), ElementsAre(4, 4, 4));
}

StepCost cost_of(const std::function<double(double rows)>& us) {
  StepCost cost;
  for (size_t rows = 1; rows <= 16; ++rows) {
    cost.record(rows, 0, StepCost::Duration(static_cast<int64_t>(us(static_cast<double>(rows)))));
  }
  return cost;
}

TEST(DraftGate, GuessesMoreTheCheaperRowsAre) {
  const StepCost cheap = cost_of([](double rows) { return 1000.0 + 10.0 * rows; });
  const StepCost fair = cost_of([](double rows) { return 1000.0 + 250.0 * rows; });
  const StepCost dear = cost_of([](double rows) { return 1000.0 * rows; });
  DraftGate gate;
  const uint32_t n_cheap = gate.choose(8, 1, cheap), n_fair = gate.choose(8, 1, fair);
  EXPECT_GT(n_cheap, n_fair);
  EXPECT_GT(n_fair, 0u);
  EXPECT_EQ(gate.choose(8, 1, dear), 0u);
  EXPECT_LE(gate.choose(2, 1, cheap), 2u);
}

TEST(DraftGate, ClosesWhenGuessesAreWrongAndProbesNowAndAgain) {
  const StepCost cost = cost_of([](double rows) { return 1000.0 + 200.0 * rows; });
  DraftGate gate;
  for (int i = 0; i < 20 && gate.choose(8, 1, cost) > 0; ++i) gate.learn(4, 0);
  uint32_t n_probes = 0;
  for (int i = 0; i < 640; ++i) {
    if (gate.choose(8, 1, cost) == 0) continue;
    ++n_probes;
    gate.learn(3, 0);
  }
  EXPECT_GE(n_probes, 5u);
  EXPECT_LE(n_probes, 12u);
  for (int i = 0; i < 5; ++i) gate.learn(3, 3);
  EXPECT_GT(gate.choose(8, 1, cost), 3u);
}

// Several requests over text that repeats itself.
Outcome run_requests(const FakeShape& shape, const std::vector<Request>& requests,
                     bool speculates) {
  std::chrono::steady_clock::time_point now{};
  const auto log = make_timed_log(now);
  const SchedulerOptions options{
      .max_running = 4, .max_chunk = 32, .chunk_multiple = 8, .speculates = speculates};
  const auto loop = ModelLoop::create("m", std::make_unique<FakeRunner>(shape, log),
                                      uint64_t{1} << 24, options, [&] { return now; })
                        .value();
  Outcome run = run_to_end(*loop, requests);
  EXPECT_EQ(log->n_violations, 0u);
  return run;
}

std::vector<Request> make_requests(std::mt19937_64& random, size_t n) {
  std::vector<Request> requests;
  for (size_t i = 0; i < n; ++i) {
    Request r;
    r.id = i + 1;
    r.model = "m";
    for (size_t t = 0; t < 8 + random() % 8; ++t) {
      r.prompt.push_back(static_cast<TokenId>(t % 6));
    }
    r.max_new_tokens = 60;
    r.sampling.temperature = i % 2 == 0 ? 0.0f : 0.8f;
    r.sampling.seed = random();
    if (i % 3 == 2) r.sampling.frequency_penalty = 0.02f;
    if (i % 4 == 3) r.sampling.top_k = 5;
    r.want_logprobs = i % 2 == 1;
    r.end_tokens = {17};
    requests.push_back(std::move(r));
  }
  return requests;
}

TEST(Speculation, SavesStepsAndChangesNothing) {
  std::mt19937_64 random(9);
  uint64_t n_plain = 0, n_speculating = 0;
  for (int world = 0; world < 60; ++world) {
    FakeShape shape{.page_tokens = 16, .windows = {0, 7}, .max_rows = 64, .habit = 7.5f};
    if (world % 5 == 0) shape.nan_token = 19;  // rare here: an answer may fail on its way
    const auto requests = make_requests(random, 1 + world % 4);
    const Outcome plain = run_requests(shape, requests, false);
    const Outcome speculating = run_requests(shape, requests, true);
    EXPECT_EQ(plain.stats.drafted_tokens, 0u);
    for (const Request& request : requests) {
      const Told& a = plain.told.at(request.id);
      const Told& b = speculating.told.at(request.id);
      ASSERT_EQ(a.tokens, b.tokens);
      ASSERT_EQ(a.failed, b.failed);
      ASSERT_EQ(a.reason, b.reason);
      ASSERT_EQ(a.usage.new_tokens, b.usage.new_tokens);
      ASSERT_EQ(b.n_ends, 1u);
      ASSERT_EQ(a.logprobs.size(), b.logprobs.size());
      for (size_t i = 0; i < a.logprobs.size(); ++i) {
        ASSERT_EQ(a.logprobs[i].logprob, b.logprobs[i].logprob);
      }
    }
    n_plain += plain.stats.n_steps;
    n_speculating += speculating.stats.n_steps;
    EXPECT_LE(speculating.stats.accepted_tokens, speculating.stats.drafted_tokens);
  }
  EXPECT_LT(3 * n_speculating, 2 * n_plain);
}

// A text that a model repeats, and one that it does not, alone and side by side.
std::vector<Request> real_requests(const text::Tokenizer& tokenizer) {
  const std::string code =
      "def area(width, height):\n    return width * height\n\ndef volume(width, height, depth):\n"
      "    return width * height * depth\n\n";
  std::vector<Request> requests;
  for (const std::string& prompt : {code + code + "def area(width, height):\n", code + code + code,
                                    std::string("The harbour was quiet that morning, and")}) {
    Request r;
    r.id = requests.size() + 1;
    r.model = "m";
    const auto ids = tokenizer.encode(prompt);
    r.prompt.assign(ids.begin(), ids.end());
    r.max_new_tokens = 80;
    r.sampling.temperature = requests.size() == 1 ? 0.7f : 0.0f;
    r.sampling.top_p = 0.95f;
    r.sampling.seed = 11;
    requests.push_back(std::move(r));
  }
  return requests;
}

Outcome run_real(const std::shared_ptr<const models::Model>& model, ThreadPool& pool,
                 std::span<const Request> requests, bool speculates) {
  SchedulerOptions options{.max_running = 4, .max_chunk = 256, .speculates = speculates};
  // A clock by which a step costs the same whatever it computes: guesses always pay.
  std::chrono::steady_clock::time_point now{};
  const auto loop = ModelLoop::create("m", make_model_runner(model, pool, max_step_rows(options)),
                                      uint64_t{1} << 28, options,
                                      [&] { return now += std::chrono::milliseconds(1); })
                        .value();
  return run_to_end(*loop, requests);
}

TEST(Speculation, ChangesNoAnswerOfARealModel) {
  const char* models = std::getenv("MARU_TEST_MODELS");
  ASSERT_NE(models, nullptr) << "set MARU_TEST_MODELS to the folder of the test models";
  ThreadPool pool(2);
  for (const char* name : {"SmolLM2-135M-Instruct.Q4_1.gguf", "gemma-3-270m-q4_k_m.gguf"}) {
    SCOPED_TRACE(name);
    const std::string path = std::string(models) + "/" + name;
    const auto file = formats::GgufFile::open(path).value();
    const auto tokenizer = text::Tokenizer::from_gguf(file).value();
    models::LoadOptions load;
    load.isa = kernels::choose_isa().value();
    const std::shared_ptr<const models::Model> model =
        models::Model::load(path, load, pool).value();
    const auto requests = real_requests(*tokenizer);
    std::vector<std::span<const Request>> groups = {requests};
    for (size_t i = 0; i < requests.size(); ++i)
      groups.push_back(std::span(requests).subspan(i, 1));
    for (const auto& group : groups) {
      const Outcome plain = run_real(model, pool, group, false);
      const Outcome speculating = run_real(model, pool, group, true);
      for (const Request& request : group) {
        EXPECT_EQ(plain.told.at(request.id).tokens, speculating.told.at(request.id).tokens);
      }
      if (group.size() > 1) {
        EXPECT_GT(speculating.stats.accepted_tokens, 20u);
        EXPECT_LT(speculating.stats.n_steps, plain.stats.n_steps);
      }
    }
  }
}

}  // namespace
}  // namespace maru::engine
