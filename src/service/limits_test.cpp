#include "service/limits.h"

#include <gtest/gtest.h>

namespace maru::service {
namespace {

constexpr int64_t kNow = 1'795'000'000'000;
constexpr int64_t kSecond = 1000;

class LimitsTest : public ::testing::Test {
 protected:
  std::optional<Refusal> admit(const Spender& spender, int64_t tokens, int64_t now) {
    return limits_.admit(limits_.pass_of(spender), tokens, 0, now);
  }
  Limits limits_;
  const Spender ann_{"ann", "key_1", "proj_1", {"grp_1", "grp_2"}};
  const Spender bob_{"bob", "key_2", "", {"grp_1"}};
};

TEST_F(LimitsTest, WithoutRulesNothingIsRefused) {
  for (int i = 0; i < 1000; ++i) EXPECT_FALSE(admit(ann_, 1'000'000, kNow));
  const RateState state = limits_.state(limits_.pass_of(ann_), kNow);
  EXPECT_FALSE(state.requests || state.tokens);
}

TEST_F(LimitsTest, AMinuteSlides) {
  limits_.set_rules({{"user", "ann", "requests_per_minute", 2}});
  EXPECT_FALSE(admit(ann_, 1, kNow));
  EXPECT_FALSE(admit(ann_, 1, kNow + 20 * kSecond));
  const auto refusal = admit(ann_, 1, kNow + 30 * kSecond);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->code, "rate_limit_exceeded");
  EXPECT_EQ(refusal->retry_after_ms, 30 * kSecond);
  EXPECT_TRUE(admit(ann_, 1, kNow + 30 * kSecond + refusal->retry_after_ms - 1));
  EXPECT_FALSE(admit(ann_, 1, kNow + 30 * kSecond + refusal->retry_after_ms));
  EXPECT_TRUE(admit(ann_, 1, kNow + 60 * kSecond));
}

TEST_F(LimitsTest, AGroupSharesItsLimit) {
  limits_.set_rules({{"group", "grp_1", "tokens_per_minute", 100}});
  EXPECT_FALSE(admit(ann_, 60, kNow));
  EXPECT_TRUE(admit(bob_, 60, kNow));
  EXPECT_FALSE(admit(bob_, 40, kNow));
  EXPECT_FALSE(admit({"cid", "", "", {}}, 60, kNow));
}

TEST_F(LimitsTest, TheStrictestWinsWhoeverHasIt) {
  const char* kinds[][2] = {
      {"user", "ann"}, {"group", "grp_2"}, {"project", "proj_1"}, {"key", "key_1"}, {"key", "*"}};
  for (const auto& strict : kinds) {
    std::vector<store::LimitRow> rules;
    for (const auto& kind : kinds) {
      rules.push_back({kind[0], kind[1], "context", &kind == &strict ? 7 : 70});
    }
    limits_.set_rules(rules);
    EXPECT_EQ(limits_.context_of(limits_.pass_of(ann_), 4096), 7u) << strict[0];
  }
  limits_.set_rules({{"user", "ann", "context", 9000}});
  EXPECT_EQ(limits_.context_of(limits_.pass_of(ann_), 4096), 4096u);
}

TEST_F(LimitsTest, StreamsAreCountedWhileTheyRun) {
  limits_.set_rules({{"user", "*", "streams", 1}});
  const auto pass = limits_.pass_of(ann_);
  EXPECT_FALSE(limits_.admit(pass, 1, 0, kNow));
  EXPECT_TRUE(admit(ann_, 1, kNow));
  EXPECT_FALSE(admit(bob_, 1, kNow));  // each has one
  limits_.leave(pass);
  EXPECT_FALSE(admit(ann_, 1, kNow));
}

TEST_F(LimitsTest, ARefusedRequestCountsForNobody) {
  limits_.set_rules(
      {{"key", "key_1", "tokens_per_minute", 10}, {"user", "ann", "requests_per_minute", 2}});
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(admit(ann_, 11, kNow));
  EXPECT_EQ(limits_.state(limits_.pass_of(ann_), kNow).requests->remaining, 2);
}

TEST_F(LimitsTest, WhatIsLeftIsThatOfTheTightest) {
  limits_.set_rules(
      {{"user", "ann", "tokens_per_minute", 100}, {"group", "grp_1", "tokens_per_minute", 110}});
  EXPECT_FALSE(admit(bob_, 50, kNow));
  EXPECT_FALSE(admit(ann_, 20, kNow + 10 * kSecond));
  const auto state = limits_.state(limits_.pass_of(ann_), kNow + 15 * kSecond);
  ASSERT_TRUE(state.tokens);
  EXPECT_EQ(state.tokens->limit, 110);
  EXPECT_EQ(state.tokens->remaining, 40);
  EXPECT_EQ(state.tokens->reset_ms, 55 * kSecond);
}

TEST_F(LimitsTest, AMonthBeginsAnew) {
  limits_.set_rules({{"user", "ann", "tokens_per_month", 100}});
  limits_.restore_month(SubjectKind::kUser, "ann", kNow, 90, 0);
  const auto refusal = admit(ann_, 11, kNow);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->type, "insufficient_quota");
  EXPECT_EQ(kNow + refusal->retry_after_ms, next_month_begin(kNow));
  EXPECT_FALSE(admit(ann_, 11, next_month_begin(kNow)));
  EXPECT_EQ(month_begin(next_month_begin(kNow)), next_month_begin(kNow));
}

}  // namespace
}  // namespace maru::service
