#include "service/spending_rules.h"

#include <gtest/gtest.h>

#include "service/accounts.h"
#include "store/testing/fresh_store.h"

namespace maru::service {
namespace {

constexpr int64_t kNow = 100 * int64_t{86'400'000};

class SpendingRulesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = open_database(store_.location());
    ASSERT_TRUE(opened) << opened.error().to_string();
    log_ = std::make_shared<AuditLog>(*opened);
    rules_ = std::make_unique<SpendingRules>(log_, [] { return kNow; });
  }
  void add_usage(const std::string& id, int64_t opened_at, int64_t first_ms, int64_t total_ms,
                 int64_t tokens_in, int64_t cached, int64_t tokens_out,
                 const std::string& outcome = "stop") {
    store::UsageRow row;
    row.id = id;
    row.request_id = id;
    row.user_id = "local";
    row.model = "m";
    row.opened_at = row.updated_at = opened_at;
    row.closed_at = opened_at + total_ms;
    row.outcome = outcome;
    row.tokens_in = tokens_in;
    row.tokens_cached = cached;
    row.tokens_out = tokens_out;
    row.first_token_ms = first_ms;
    row.total_ms = total_ms;
    ASSERT_TRUE(log_->database()->write(
        [&](store::Transaction& transaction) { return store::insert_usage(transaction, row); }));
  }
  ModelSpeed measured(int64_t n_days = 30) {
    const auto speeds = rules_->measure_speeds(n_days);
    EXPECT_TRUE(speeds);
    EXPECT_EQ(speeds->size(), 1U);
    return speeds->empty() ? ModelSpeed{} : speeds->front();
  }

  store::testing::FreshDatabase store_;
  std::shared_ptr<AuditLog> log_;
  std::unique_ptr<SpendingRules> rules_;
};

TEST_F(SpendingRulesTest, OneRequestAfterAnotherIsMeasuredAsItRan) {
  add_usage("a", kNow - 100'000, 1000, 3000, 1100, 200, 220);
  add_usage("b", kNow - 50'000, 1000, 3000, 900, 0, 220);
  const ModelSpeed speed = measured();
  EXPECT_EQ(speed.n_requests, 2);
  EXPECT_DOUBLE_EQ(speed.busy_seconds, 6);
  EXPECT_DOUBLE_EQ(speed.tokens_in_per_second, 900);
  EXPECT_DOUBLE_EQ(speed.tokens_out_per_second, 110);
}

TEST_F(SpendingRulesTest, RequestsAtTheSameTimeShareTheMachine) {
  // Two at once, each as slow as one alone: together they are twice as fast.
  add_usage("a", kNow - 100'000, 1000, 3000, 900, 0, 220);
  add_usage("b", kNow - 100'000, 1000, 3000, 900, 0, 220);
  // One within a longer one, and one that begins before it ends.
  add_usage("c", kNow - 50'000, 1000, 3000, 900, 0, 220);
  add_usage("d", kNow - 49'500, 500, 1500, 450, 0, 110);
  add_usage("e", kNow - 48'000, 500, 1500, 450, 0, 110);
  EXPECT_DOUBLE_EQ(measured().busy_seconds, 3 + 3.5);
  const ModelSpeed speed = measured();
  // The machine's time is paid once: prompts and answers together take all of it.
  EXPECT_NEAR(3600 / speed.tokens_in_per_second + 880 / speed.tokens_out_per_second,
              speed.busy_seconds, 1e-9);
  EXPECT_NEAR(3600 / speed.tokens_in_per_second, 6.5 * 4 / 12, 1e-9);
}

TEST_F(SpendingRulesTest, OldAndFailedRequestsTellNothing) {
  add_usage("a", kNow - 100'000, 1000, 3000, 900, 0, 220);
  add_usage("b", kNow - 2 * int64_t{86'400'000}, 9000, 9000, 1, 0, 1);
  add_usage("c", kNow - 90'000, 9000, 9000, 1, 0, 1, "failed");
  add_usage("d", kNow - 80'000, 9000, 9000, 1, 0, 1, "interrupted");
  EXPECT_EQ(measured(1).n_requests, 1);
  EXPECT_EQ(measured(3).n_requests, 2);
  EXPECT_FALSE(rules_->measure_speeds(0));
}

TEST_F(SpendingRulesTest, TheFormulaTakesMeasuredSpeeds) {
  PriceFormula formula;
  formula.electricity_per_kwh = 0.30;
  formula.watts = 180;
  formula.hardware_price = 2400;
  formula.hardware_years = 4;
  PriceWish wish;
  wish.model = "m";
  EXPECT_EQ(rules_->add_price_by_formula("x", wish, formula, 30).error().code,
            ErrorCode::kConflict);
  add_usage("a", kNow - 100'000, 1000, 3000, 900, 0, 220);
  const auto row = rules_->add_price_by_formula("x", wish, formula, 30);
  ASSERT_TRUE(row) << row.error().to_string();
  EXPECT_EQ(row->price, (store::Price{37'792, 0, 309'208}));  // the docs' example
  EXPECT_EQ(row->source, "formula");
  EXPECT_EQ(rules_->list_prices()->size(), 1U);
}

TEST_F(SpendingRulesTest, OnlyPricesToComeAreRemoved) {
  PriceWish wish{"m", {1, 1, 1}, {}, "manual"};
  const auto now = rules_->add_price("x", wish);
  wish.valid_from = kNow + 1;
  const auto later = rules_->add_price("x", wish);
  ASSERT_TRUE(now && later);
  EXPECT_EQ(rules_->add_price("x", wish).error().param, "valid_from");
  EXPECT_EQ(rules_->remove_price("x", now->id).error().code, ErrorCode::kConflict);
  EXPECT_TRUE(rules_->remove_price("x", later->id));
  EXPECT_EQ(rules_->remove_price("x", later->id).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(rules_->list_prices()->size(), 1U);
  EXPECT_EQ(log_->list_before(0, 10)->size(), 3U);
}

TEST_F(SpendingRulesTest, LimitsAreCheckedAndRecorded) {
  const auto limit = read_limit("key", "key_a", "money_per_month", "12.50");
  ASSERT_TRUE(limit);
  EXPECT_EQ(limit->value, 12'500'000);
  EXPECT_EQ(print_limit_value(*limit), "12.50");
  EXPECT_EQ(read_limit("user", "*", "streams", "3")->value, 3);
  EXPECT_EQ(read_limit("cat", "*", "streams", "3").error().param, "kind");
  EXPECT_EQ(read_limit("user", "", "streams", "3").error().param, "id");
  EXPECT_EQ(read_limit("user", "*", "dreams", "3").error().param, "name");
  for (const char* value : {"", "-1", "1.5", "x", "99999999999999"}) {
    EXPECT_EQ(read_limit("user", "*", "streams", value).error().param, "value") << value;
  }
  ASSERT_TRUE(rules_->set_limit("x", *limit));
  ASSERT_TRUE(rules_->remove_limit("x", *limit));
  EXPECT_EQ(rules_->remove_limit("x", *limit).error().code, ErrorCode::kNotFound);
  const auto rows = log_->list_before(0, 10);
  ASSERT_EQ(rows->size(), 2U);
  EXPECT_EQ(rows->front().entry.action, "limit.remove");
  EXPECT_EQ(rows->back().entry.subject, "key key_a");
}

}  // namespace
}  // namespace maru::service
