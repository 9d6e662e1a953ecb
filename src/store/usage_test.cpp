// Usage, prices and limits as they are kept.
#include "store/usage.h"

#include <gtest/gtest.h>

#include "base/testing/test_folder.h"
#include "store/groups.h"
#include "store/limits.h"
#include "store/prices.h"
#include "store/testing/fresh_store.h"
#include "store/users.h"

namespace maru::store {
namespace {

constexpr int64_t kDay = 86'400'000;

class MeteringTables : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = Database::open(store_.location());
    ASSERT_TRUE(opened) << opened.error().to_string();
    database_ = std::move(*opened);
  }
  void write(const std::function<Status(Transaction&)>& work) {
    const Status status = database_->write(work);
    ASSERT_TRUE(status) << status.error().to_string();
  }
  template <class T>
  T read(const std::function<Result<T>(Transaction&)>& ask) {
    T value{};
    const Status status = database_->read([&](Transaction& t) -> Status {
      MARU_ASSIGN_OR_RETURN(value, ask(t));
      return {};
    });
    EXPECT_TRUE(status) << status.error().to_string();
    return value;
  }
  void add(const std::string& id, const std::string& user, const std::string& model, int64_t at,
           int64_t in, int64_t out) {
    UsageRow row;
    row.id = id;
    row.request_id = "the client's own";
    row.user_id = user;
    row.model = model;
    row.opened_at = row.updated_at = at;
    row.tokens_in = in;
    row.tokens_out = out;
    row.price = {1, 2, 3};
    row.cost_micros = in + out;
    write([&](Transaction& t) { return insert_usage(t, row); });
  }

  testing::FreshDatabase store_;
  std::unique_ptr<Database> database_;
};

TEST_F(MeteringTables, ARowIsOpenedBroughtUpToDateAndClosed) {
  add("chatcmpl-1", "user_a", "m", 1000, 7, 24);
  UsageFilter all;
  all.end = 10 * kDay;
  const auto list = [&](Transaction& t) { return list_usage(t, all, 10); };
  auto rows = read<std::vector<UsageRow>>(list);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].outcome, "");
  EXPECT_FALSE(rows[0].closed_at || rows[0].total_ms || rows[0].first_token_ms);
  EXPECT_EQ(rows[0].price, (Price{1, 2, 3}));

  UsageRow row = rows[0];
  row.tokens_out = 9;
  row.tokens_cached = 4;
  row.updated_at = 3000;
  row.closed_at = 3000;
  row.outcome = "stop";
  row.first_token_ms = 12;
  row.total_ms = 2000;
  write([&](Transaction& t) { return update_usage(t, row); });
  write([&](Transaction& t) -> Status {
    MARU_ASSIGN_OR_RETURN(const int64_t n, close_interrupted_usage(t, 9000));
    EXPECT_EQ(n, 0);
    return {};
  });
  rows = read<std::vector<UsageRow>>(list);
  EXPECT_EQ(rows[0].outcome, "stop");
  EXPECT_EQ(rows[0].tokens_out, 9);
  EXPECT_EQ(rows[0].tokens_cached, 4);
  EXPECT_EQ(rows[0].first_token_ms, 12);
  EXPECT_EQ(rows[0].closed_at, 3000);

  write([&](Transaction& t) { return remove_usage(t, row.id); });
  EXPECT_TRUE(read<std::vector<UsageRow>>(list).empty());
}

TEST_F(MeteringTables, WhatACrashLeftOpenIsInterrupted) {
  add("one", "user_a", "m", 1000, 7, 24);
  add("two", "user_a", "m", 2000, 7, 24);
  write([](Transaction& t) -> Status {
    MARU_ASSIGN_OR_RETURN(const int64_t n, close_interrupted_usage(t, 9000));
    EXPECT_EQ(n, 2);
    return {};
  });
  UsageFilter all;
  all.end = kDay;
  for (const UsageRow& row :
       read<std::vector<UsageRow>>([&](Transaction& t) { return list_usage(t, all, 10); })) {
    EXPECT_EQ(row.outcome, "interrupted");
    EXPECT_EQ(row.closed_at, 9000);
    EXPECT_EQ(row.tokens_out, 24);
  }
}

TEST_F(MeteringTables, SumsByTimeAndGroup) {
  add("1", "user_a", "m", kDay + 5, 10, 1);
  add("2", "user_a", "n", kDay + 6, 20, 2);
  add("3", "user_b", "m", 2 * kDay, 40, 4);
  add("4", "user_b", "m", 2 * kDay + 1, 80, 8);
  add("5", "user_b", "m", 9 * kDay, 160, 16);
  UsageFilter filter;
  filter.begin = kDay;
  filter.end = 9 * kDay;
  const auto sum = [&](int64_t width, UsageGrouping grouping) {
    return read<std::vector<UsageSum>>(
        [&](Transaction& t) { return sum_usage(t, filter, width, grouping); });
  };
  auto sums = sum(kDay, {});
  ASSERT_EQ(sums.size(), 2u);
  EXPECT_EQ(sums[0].bucket, kDay);
  EXPECT_EQ(sums[0].tokens_in, 30);
  EXPECT_EQ(sums[0].n_requests, 2);
  EXPECT_EQ(sums[1].bucket, 2 * kDay);
  EXPECT_EQ(sums[1].tokens_out, 12);
  EXPECT_EQ(sums[1].cost_micros, 132);

  sums = sum(0, {.by_user = true, .by_model = true});
  ASSERT_EQ(sums.size(), 3u);
  EXPECT_EQ(sums[0].user_id, "user_a");
  EXPECT_EQ(sums[0].model, "m");
  EXPECT_EQ(sums[1].model, "n");
  EXPECT_EQ(sums[2].user_id, "user_b");
  EXPECT_EQ(sums[2].tokens_in, 120);
  EXPECT_EQ(sums[2].key_id, "");

  filter.user_ids = {"user_a", "user_c"};
  filter.models = {"n"};
  sums = sum(0, {});
  ASSERT_EQ(sums.size(), 1u);
  EXPECT_EQ(sums[0].tokens_in, 20);
  filter.user_ids = {"' OR 1=1 --"};
  EXPECT_TRUE(sum(0, {}).empty());
}

TEST_F(MeteringTables, SumsTheTimesOfThoseThatHaveBoth) {
  add("1", "user_a", "m", 50, 10, 1);
  add("2", "user_a", "m", 60, 10, 1);
  add("3", "user_a", "m", 70, 10, 0);  // ended without a token
  UsageFilter all;
  all.end = kDay;
  int64_t first = 100;
  for (UsageRow row :
       read<std::vector<UsageRow>>([&](Transaction& t) { return list_usage(t, all, 10); })) {
    row.total_ms = 1000;
    if (row.id != "3") row.first_token_ms = first += 100;
    write([&](Transaction& t) { return update_usage(t, row); });
  }
  add("4", "user_a", "m", 80, 10, 1);  // still runs
  const auto sums = read<std::vector<UsageSum>>(
      [&](Transaction& t) { return sum_usage(t, all, 0, UsageGrouping{}); });
  ASSERT_EQ(sums.size(), 1u);
  EXPECT_EQ(sums[0].n_requests, 4);
  EXPECT_EQ(sums[0].n_timed, 2);
  EXPECT_EQ(sums[0].first_token_ms, 500);
  EXPECT_EQ(sums[0].total_ms, 2000);
}

TEST_F(MeteringTables, SumsOverTheMembersOfAGroup) {
  write([](Transaction& t) -> Status {
    MARU_RETURN_IF_ERROR(add_user(t, {"user_a", "ann", "Ann", "member", "", "", 1, {}}));
    MARU_RETURN_IF_ERROR(add_user(t, {"user_b", "bob", "Bob", "member", "", "", 1, {}}));
    MARU_RETURN_IF_ERROR(add_group(t, {"grp_1", "team", 1}));
    MARU_RETURN_IF_ERROR(add_member(t, "grp_1", "user_a"));
    return {};
  });
  add("1", "user_a", "m", 50, 10, 1);
  add("2", "user_b", "m", 60, 20, 2);
  add("3", "user_a", "m", 70, 40, 4);
  using Sums = std::vector<std::pair<std::string, UsageSum>>;
  const auto sums = read<Sums>([](Transaction& t) { return sum_usage_by_group(t, 60); });
  ASSERT_EQ(sums.size(), 1u);
  EXPECT_EQ(sums[0].first, "grp_1");
  EXPECT_EQ(sums[0].second.tokens_in, 40);
}

TEST_F(MeteringTables, APriceIsAddedNeverChanged) {
  write([](Transaction& t) -> Status {
    MARU_RETURN_IF_ERROR(add_price(t, {"price_1", "m", {1, 2, 3}, 100, "manual"}));
    return add_price(t, {"price_2", "m", {4, 5, 6}, 200, "formula"});
  });
  const Status again = database_->write(
      [](Transaction& t) { return add_price(t, {"price_3", "m", {7, 8, 9}, 200, "manual"}); });
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::kConflict);
  const auto prices = read<std::vector<PriceRow>>(list_prices);
  ASSERT_EQ(prices.size(), 2u);
  EXPECT_EQ(prices[1].price, (Price{4, 5, 6}));
  EXPECT_EQ(prices[1].source, "formula");
}

TEST_F(MeteringTables, ALimitIsSetReplacedAndRemoved) {
  const LimitRow row{"user", "user_a", "streams", 3};
  write([&](Transaction& t) { return set_limit(t, row); });
  write([](Transaction& t) { return set_limit(t, {"user", "user_a", "streams", 5}); });
  auto limits = read<std::vector<LimitRow>>(list_limits);
  ASSERT_EQ(limits.size(), 1u);
  EXPECT_EQ(limits[0].value, 5);
  write([&](Transaction& t) -> Status {
    MARU_ASSIGN_OR_RETURN(const bool first, remove_limit(t, row));
    MARU_ASSIGN_OR_RETURN(const bool second, remove_limit(t, row));
    EXPECT_TRUE(first && !second);
    return {};
  });
}

}  // namespace
}  // namespace maru::store
