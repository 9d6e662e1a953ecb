// The loop over one model, step by step, on the stand-in runner and a clock of its own.
#include "engine/model_loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <numeric>

#include "engine/testing/fake_runner.h"

namespace maru::engine {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using testing::FakeRunner;
using testing::FakeShape;
using ::testing::HasSubstr;
using testing::Told;

class ModelLoopTest : public ::testing::Test {
 protected:
  void make(uint64_t kv_bytes = uint64_t{1} << 24) {
    shape_.max_rows = options_.max_running + options_.max_chunk;
    loop_ = ModelLoop::create("m", std::make_unique<FakeRunner>(shape_, log_), kv_bytes, options_,
                              [this] { return now_; })
                .value();
  }
  static Request request(std::vector<TokenId> prompt, uint32_t max_new_tokens) {
    static RequestId next_id = 1;
    Request r;
    r.id = next_id++;
    r.model = "m";
    r.prompt = std::move(prompt);
    r.max_new_tokens = max_new_tokens;
    r.sampling.temperature = 0.0f;
    return r;
  }
  Told& add(const Request& r) {
    EXPECT_TRUE(loop_->check(r).has_value());
    Told& told = heard_[r.id];
    loop_->add(r, [&told](const Event& event) { told.hear(event); });
    return told;
  }
  void run() {
    for (int i = 0; loop_->has_work(); ++i) {
      ASSERT_LT(i, 10'000);
      loop_->step();
    }
    EXPECT_EQ(log_->n_violations, 0u);
  }
  static std::vector<TokenId> prompt_of(size_t n, TokenId seed = 0) {
    std::vector<TokenId> tokens(n);
    for (size_t i = 0; i < n; ++i) {
      tokens[i] = static_cast<TokenId>(testing::mix(static_cast<uint64_t>(seed), i) % 24);
    }
    return tokens;
  }
  // A step takes 10 ms and 1 ms a row.
  void run_clock() {
    log_->on_run = [this](std::span<const models::StepSequence> sequences) {
      size_t rows = 0;
      for (const auto& s : sequences) rows += s.tokens.size();
      now_ += std::chrono::milliseconds(10 + rows);
    };
  }

  FakeShape shape_;
  SchedulerOptions options_{.max_running = 4, .max_chunk = 64, .chunk_multiple = 8};
  std::chrono::steady_clock::time_point now_{};
  std::shared_ptr<FakeRunner::Log> log_ = std::make_shared<FakeRunner::Log>();
  std::unique_ptr<ModelLoop> loop_;
  std::map<RequestId, Told> heard_;
};

TEST_F(ModelLoopTest, AnswersAsTheModelDoesAlone) {
  make();
  const Request r = request(prompt_of(20), 12);
  const Told& told = add(r);
  run();
  EXPECT_EQ(told.tokens, testing::fake_oracle(shape_, r).tokens);
  EXPECT_EQ(told.tokens.size(), 12u);
  EXPECT_EQ(told.reason, FinishReason::kLength);
  EXPECT_EQ(told.n_ends, 1u);
  EXPECT_EQ(told.n_disorder, 0u);
  EXPECT_EQ(told.usage.prompt_tokens, 20u);
  EXPECT_EQ(told.usage.cached_tokens, 0u);
  EXPECT_EQ(told.usage.new_tokens, 12u);
  EXPECT_THAT(told.progress, ElementsAre(8, 20));  // a small chunk until a step was measured
}

TEST_F(ModelLoopTest, AnEndTokenEndsTheAnswerAndIsCountedButNotSent) {
  make();
  Request r = request(prompt_of(5), 50);
  const auto all = testing::fake_oracle(shape_, r).tokens;
  r.end_tokens = {all[3]};
  const size_t n_before =
      static_cast<size_t>(std::find(all.begin(), all.end(), all[3]) - all.begin());
  const Told& told = add(r);
  run();
  EXPECT_EQ(told.reason, FinishReason::kEndToken);
  EXPECT_EQ(told.tokens.size(), n_before);
  EXPECT_EQ(told.usage.new_tokens, n_before + 1);
}

TEST_F(ModelLoopTest, WithoutNewTokensThePromptIsReadOnly) {
  make();
  Request r = request(prompt_of(21), 0);
  r.want_prompt_logprobs = true;
  r.n_top_logprobs = 2;
  const Told& told = add(r);
  run();
  EXPECT_TRUE(told.tokens.empty());
  EXPECT_EQ(told.usage.new_tokens, 0u);
  const auto logits = testing::fake_oracle_logits(shape_, r.prompt);
  ASSERT_EQ(told.prompt_logprobs.size(), 20u);
  for (size_t i = 0; i < 20; ++i) {
    const auto expected = token_logprob(logits[i], r.prompt[i + 1], 2).value();
    EXPECT_EQ(told.prompt_logprobs[i].token, r.prompt[i + 1]);
    EXPECT_EQ(told.prompt_logprobs[i].logprob, expected.logprob);
    EXPECT_EQ(told.prompt_logprobs[i].top, expected.top);
  }
}

TEST_F(ModelLoopTest, PromptLogprobsOfAKnownPromptAreComputedAgain) {
  make();
  Request r = request(prompt_of(20), 0);
  add(r);
  run();
  r.id = 1'000'000;
  r.want_prompt_logprobs = true;
  const Told& told = add(r);
  run();
  EXPECT_EQ(told.prompt_logprobs.size(), 19u);
  EXPECT_EQ(told.usage.cached_tokens, 0u);
}

TEST_F(ModelLoopTest, LogprobsAreOfTheModelBeforeSamplingParameters) {
  make();
  Request r = request(prompt_of(6), 1);
  r.want_logprobs = true;
  r.n_top_logprobs = 3;
  r.sampling.temperature = 0.5f;
  r.sampling.top_k = 1;
  r.sampling.logit_bias = {{7, 100.0f}};
  const Told& told = add(r);
  run();
  ASSERT_THAT(told.tokens, ElementsAre(7));
  const auto logits = testing::fake_oracle_logits(shape_, r.prompt).back();
  const auto expected = token_logprob(logits, 7, 3).value();
  EXPECT_EQ(told.logprobs[0].logprob, expected.logprob);
  EXPECT_EQ(told.logprobs[0].top, expected.top);
}

TEST_F(ModelLoopTest, TheNextTurnComputesOnlyWhatIsNew) {
  make();
  const Request first = request(prompt_of(18), 9);
  const Told& told = add(first);
  run();
  auto turn = first.prompt;
  turn.insert(turn.end(), told.tokens.begin(), told.tokens.end());
  turn.insert(turn.end(), {1, 2, 3, 4, 5});
  const uint64_t n_before = log_->n_rows;
  const Request second = request(turn, 1);
  const Told& next = add(second);
  run();
  // All but the last answer token was computed; it and the five new ones are not.
  EXPECT_EQ(next.usage.cached_tokens, 18u + 9u - 1u);
  EXPECT_EQ(log_->n_rows - n_before, 6u);
  EXPECT_EQ(next.tokens, testing::fake_oracle(shape_, second).tokens);
}

TEST_F(ModelLoopTest, TheLastPromptTokenIsAlwaysComputed) {
  make();
  for (int i = 0; i < 2; ++i) {
    const Told& told = add(request(prompt_of(16), 1));
    run();
    EXPECT_EQ(told.usage.cached_tokens, i == 0 ? 0u : 15u);
  }
}

TEST_F(ModelLoopTest, EqualPromptsAtOnceAreReadOnce) {
  make();
  std::vector<Told*> told;
  for (int i = 0; i < 4; ++i) told.push_back(&add(request(prompt_of(50), 3)));
  run();
  uint32_t n_cached = 0;
  for (const Told* t : told) n_cached += t->usage.cached_tokens;
  // Of 200 prompt tokens, 50 are read once and each other request reads its last one again.
  EXPECT_EQ(n_cached, 3u * 49u);
  EXPECT_EQ(log_->n_rows, 50u + 3u + 4u * 2u);
}

TEST_F(ModelLoopTest, PromptsThatDifferShareAStep) {
  options_.max_chunk = 64;
  options_.chunk_multiple = 64;
  make();
  std::vector<Request> requests;
  std::vector<Told*> told;
  for (TokenId i = 0; i < 4; ++i) requests.push_back(request(prompt_of(20, i), 3));
  requests[1].want_prompt_logprobs = true;
  for (const Request& r : requests) told.push_back(&add(r));
  loop_->step();
  // 64 rows: three prompts, and the beginning of none that wants all its logits.
  EXPECT_THAT(log_->step_counts.front(), ElementsAre(20u, 20u, 20u));
  loop_->step();
  EXPECT_THAT(log_->step_counts.back(), ::testing::UnorderedElementsAre(1u, 1u, 1u, 20u));
  run();
  for (size_t i = 0; i < requests.size(); ++i)
    EXPECT_EQ(told[i]->tokens, testing::fake_oracle(shape_, requests[i]).tokens);
}

TEST_F(ModelLoopTest, CallersTakeTurnsWithinAStep) {
  options_.max_chunk = 40;
  options_.chunk_multiple = 40;
  make();
  for (TokenId i = 0; i < 4; ++i) {
    Request r = request(prompt_of(20, i), 5);
    r.caller = i < 3 ? "many" : "one";
    add(r);
  }
  loop_->step();
  EXPECT_EQ(log_->step_counts.front().size(), 2u);
  EXPECT_EQ(loop_->scheduler().fair_order().served("one"), 20u);
  EXPECT_EQ(loop_->scheduler().fair_order().served("many"), 20u);
}

TEST_F(ModelLoopTest, AWindowHoldsOnlyThePagesItSees) {
  shape_.windows = {8};
  make(uint64_t{64} << 12);
  add(request(prompt_of(300), 100));
  uint64_t most = 0;
  while (loop_->has_work()) {
    loop_->step();
    EngineStats stats;
    loop_->add_stats(stats);
    most = std::max(most, stats.kv_bytes_used);
  }
  EXPECT_EQ(log_->n_violations, 0u);
  EXPECT_LE(most, loop_->cache().bytes_for(400));
  EXPECT_LT(most, uint64_t{20} << 12);  // the whole sequence has 100 pages
}

TEST_F(ModelLoopTest, RefusesWhatCannotFitWithTheCounts) {
  shape_.context_length = 100;
  make();
  EXPECT_TRUE(loop_->check(request(prompt_of(90), 10)).has_value());
  const Status status = loop_->check(request(prompt_of(90), 11));
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code, ErrorCode::kTooLarge);
  EXPECT_THAT(status.error().message, HasSubstr("90 tokens"));
  EXPECT_THAT(status.error().message, HasSubstr("101 together"));
  EXPECT_THAT(status.error().message, HasSubstr("holds 100"));
  Request huge = request(prompt_of(2), UINT32_MAX);
  EXPECT_EQ(loop_->check(huge).error().code, ErrorCode::kTooLarge);
}

TEST_F(ModelLoopTest, TheContextIsWhatTheKvBudgetHolds) {
  make(uint64_t{20} << 12);
  EXPECT_EQ(loop_->model().context_length, 80u);
}

TEST_F(ModelLoopTest, RefusesBadInputByName) {
  make();
  const auto refusal = [&](auto change) {
    Request r = request({1, 2, 3}, 1);
    change(r);
    const Status status = loop_->check(r);
    EXPECT_FALSE(status.has_value());
    return status ? Error{} : status.error();
  };
  EXPECT_EQ(refusal([](Request& r) { r.prompt.clear(); }).code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(refusal([](Request& r) { r.prompt[1] = 24; }).message, HasSubstr("prompt[1]"));
  EXPECT_THAT(refusal([](Request& r) { r.prompt[2] = -1; }).message, HasSubstr("prompt[2]"));
  EXPECT_EQ(refusal([](Request& r) { r.adapter = "x"; }).code, ErrorCode::kNotFound);
  EXPECT_EQ(refusal([](Request& r) { r.n_top_logprobs = 21; }).param, "top_logprobs");
  EXPECT_EQ(refusal([](Request& r) { r.sampling.top_p = 2.0f; }).param, "top_p");
}

TEST_F(ModelLoopTest, LogitsThatAreNotFiniteFailTheirRequestAlone) {
  shape_.nan_token = 23;
  make();
  auto bad = prompt_of(9);
  bad.back() = 23;
  Request good = request(prompt_of(9, 1), 4);
  good.sampling.logit_bias = {{23, -100.0f}};
  std::replace(good.prompt.begin(), good.prompt.end(), 23, 22);
  const Told& failed = add(request(bad, 4));
  const Told& fine = add(good);
  run();
  EXPECT_TRUE(failed.failed);
  EXPECT_EQ(failed.error.code, ErrorCode::kInternal);
  EXPECT_EQ(failed.n_ends, 1u);
  EXPECT_FALSE(fine.failed);
  EXPECT_EQ(fine.tokens.size(), 4u);
}

TEST_F(ModelLoopTest, CancelEndsAtOnceAndGivesPagesBack) {
  make();
  const Request running = request(prompt_of(30), 100);
  const Told& told = add(running);
  for (int i = 0; i < 8; ++i) loop_->step();
  const size_t n_tokens = told.tokens.size();
  EXPECT_GT(n_tokens, 0u);
  loop_->cancel(running.id);
  EXPECT_EQ(told.n_ends, 1u);
  EXPECT_EQ(told.reason, FinishReason::kCancelled);
  EXPECT_EQ(told.usage.new_tokens, n_tokens);
  EXPECT_FALSE(loop_->has_work());
  EXPECT_EQ(loop_->cache().memory().pinned_bytes(), 0u);
  loop_->cancel(running.id);  // unknown now
  EXPECT_EQ(told.n_ends, 1u);
}

TEST_F(ModelLoopTest, ALongPromptIsReadInChunksByTimeBesideAStream) {
  options_.max_chunk = 512;
  make();
  run_clock();
  const Told& stream = add(request(prompt_of(4), 200));
  for (int i = 0; i < 10; ++i) loop_->step();  // learns what a step costs
  const size_t n_first = stream.tokens.size();
  add(request(prompt_of(900, 1), 1));
  const size_t n_steps = log_->step_counts.size();
  while (loop_->scheduler().running().size() + loop_->scheduler().n_waiting() == 2) {
    const size_t n_before = stream.tokens.size();
    const auto begin = now_;
    loop_->step();
    EXPECT_EQ(stream.tokens.size(), n_before + 1) << "the stream must move with every step";
    EXPECT_LE(now_ - begin, std::chrono::milliseconds(100));
  }
  const size_t n_chunks = log_->step_counts.size() - n_steps;
  EXPECT_EQ(stream.tokens.size(), n_first + n_chunks);
  EXPECT_GE(n_chunks, 900u / 64);  // 75 ms are about 64 rows beside the stream's
  EXPECT_LE(n_chunks, 900u / 40);  // and the first ones are smaller, while it learns
  for (size_t i = n_steps; i + 1 < log_->step_counts.size(); ++i) {
    EXPECT_EQ(log_->step_counts[i].back() % options_.chunk_multiple, 0u);
  }
}

TEST_F(ModelLoopTest, WithoutAStreamChunksAreLarger) {
  options_.max_chunk = 512;
  make();
  run_clock();
  add(request(prompt_of(900), 1));
  run();
  EXPECT_THAT(log_->step_counts[2], ElementsAre(::testing::Gt(100u)));
}

TEST_F(ModelLoopTest, ACallerWithOneRequestDoesNotWaitBehindAFlood) {
  make();
  std::vector<Told*> flood;
  for (int i = 0; i < 40; ++i) {
    Request r = request(prompt_of(40, 100 + i), 20);
    r.caller = "flood";
    flood.push_back(&add(r));
  }
  for (int i = 0; i < 30; ++i) loop_->step();
  Request r = request(prompt_of(40, 7), 20);
  r.caller = "guest";
  const Told& guest = add(r);
  size_t n_flood_ended = 0;
  for (const Told* t : flood) n_flood_ended += t->n_ends;
  const size_t n_before = log_->step_counts.size();
  while (guest.n_ends == 0) loop_->step();
  // Five chunks of 8 (two of three of them while others' prompts take turns) and 20 tokens.
  EXPECT_LE(log_->step_counts.size() - n_before, 40u);
  size_t n_ended_meanwhile = 0;
  for (const Told* t : flood) n_ended_meanwhile += t->n_ends;
  EXPECT_LE(n_ended_meanwhile - n_flood_ended, 8u);
  run();
  for (const Told* t : flood) EXPECT_EQ(t->n_ends, 1u);
}

TEST_F(ModelLoopTest, ACallerWithoutAPlaceGetsMemoryToo) {
  options_ = {.max_running = 8, .max_chunk = 8, .chunk_multiple = 8};
  make(uint64_t{28} << 12);  // 112 tokens in all
  for (int i = 0; i < 3; ++i) {
    Request r = request(prompt_of(24, i), 30);
    r.caller = "flood";
    add(r);
  }
  for (int i = 0; i < 12; ++i) loop_->step();
  ASSERT_EQ(loop_->scheduler().running().size(), 3u);
  Request r = request(prompt_of(40, 9), 2);
  r.caller = "guest";
  const Told& guest = add(r);
  for (int i = 0; i < 12 && guest.n_ends == 0; ++i) loop_->step();
  EXPECT_EQ(guest.n_ends, 1u);
  run();
}

// While both have prompts to read, neither caller gets ahead by more than a chunk and the rows of
// its running answers.
TEST_F(ModelLoopTest, CallersAreServedEqually) {
  options_.max_running = 2;
  make();
  for (int i = 0; i < 30; ++i) {
    for (const char* caller : {"a", "b"}) {
      // One sends long prompts, the other short ones.
      Request r = request(prompt_of(*caller == 'a' ? 100 : 10, 2 * i + (*caller == 'a')), 1);
      r.caller = caller;
      add(r);
    }
  }
  const auto served = [&](const char* caller) {
    return static_cast<int64_t>(loop_->scheduler().fair_order().served(caller));
  };
  for (int i = 0; i < 60; ++i) {
    loop_->step();
    if (loop_->scheduler().fair_order().n_callers() < 2) break;
    EXPECT_LE(std::abs(served("a") - served("b")), 100) << i;
  }
}

TEST_F(ModelLoopTest, WhenPagesRunOutTheYoungestGivesItsPlaceUp) {
  options_ = {.max_running = 3, .max_chunk = 8, .chunk_multiple = 8};
  make(uint64_t{16} << 12);  // 64 tokens in all
  std::vector<Request> requests;
  std::vector<const Told*> told;
  for (int i = 0; i < 3; ++i) {
    requests.push_back(request(prompt_of(8, i), 40));  // 48 each
    told.push_back(&add(requests.back()));
  }
  std::vector<size_t> order;
  while (loop_->has_work()) {
    loop_->step();
    for (size_t i = 0; i < 3; ++i) {
      if (told[i]->n_ends == 1 && std::find(order.begin(), order.end(), i) == order.end()) {
        order.push_back(i);
      }
    }
  }
  EngineStats stats;
  loop_->add_stats(stats);
  EXPECT_GT(stats.n_preempted, 0u);
  EXPECT_THAT(order, ElementsAre(0, 1, 2));  // the oldest never waits for a younger one
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(told[i]->tokens, testing::fake_oracle(shape_, requests[i]).tokens);
    EXPECT_EQ(told[i]->usage.cached_tokens, 0u);  // its own pages, found again, are no gift
  }
  EXPECT_EQ(log_->n_violations, 0u);
}

TEST_F(ModelLoopTest, ASeedGivesTheSameAnswerWhateverElseRuns) {
  make();
  Request r = request(prompt_of(10), 20);
  r.sampling.temperature = 1.0f;
  r.sampling.seed = 99;
  const auto alone = testing::fake_oracle(shape_, r).tokens;
  for (int i = 0; i < 3; ++i) {
    Request other = request(prompt_of(15, 50 + i), 30);
    other.sampling.temperature = 1.0f;
    add(other);
  }
  const Told& told = add(r);
  run();
  EXPECT_EQ(told.tokens, alone);
  Request same = r;
  same.id = 2'000'000;
  const Told& again = add(same);
  run();
  EXPECT_EQ(again.tokens, alone);
  same.id = 2'000'001;
  same.sampling.seed = 100;
  const Told& different = add(same);
  run();
  EXPECT_NE(different.tokens, alone);
}

TEST(StepCost, SizesChunksFromWhatItMeasured) {
  using std::chrono::microseconds;
  StepCost cost;
  EXPECT_EQ(cost.prompt_rows(3, microseconds(75'000), 32), 32u);  // nothing known yet
  cost.record(4, 0, microseconds(15'000));
  cost.record(0, 32, microseconds(16'000));  // 500 us a row
  EXPECT_EQ(cost.prompt_rows(0, microseconds(75'000), 32), 128u);
  EXPECT_EQ(cost.prompt_rows(4, microseconds(75'000), 32), 96u);
  EXPECT_EQ(cost.prompt_rows(4, microseconds(1'000), 32), 32u);  // never none: prompts must end
}

TEST(FairOrder, IdlingEarnsNoCredit) {
  FairOrder fair;
  fair.enter("a");
  fair.charge("a", 1000);
  fair.enter("b");
  EXPECT_EQ(fair.served("b"), 1000u);
  fair.charge("b", 500);
  fair.leave("b");
  fair.enter("b");
  EXPECT_EQ(fair.served("b"), 1500u);  // nor does leaving clear a debt
  fair.leave("b");
  fair.leave("a");
  EXPECT_EQ(fair.n_callers(), 0u);
}

}  // namespace
}  // namespace maru::engine
