// Rows before tokens, limits, prices: what a meter promises, also when the disk is full.
#include "service/metering.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <thread>

#include "base/testing/test_folder.h"
#include "store/limits.h"
#include "store/prices.h"
#include "store/testing/fresh_store.h"
#include "store/usage.h"

namespace maru::service {
namespace {

constexpr int64_t kNow = 1'795'000'000'000;  // in November 2026

// A database whose disk can be made full, or slow.
class Disk final : public store::Database {
 public:
  explicit Disk(std::unique_ptr<store::Database> real) : real_(std::move(real)) {}
  Status write(const std::function<Status(store::Transaction&)>& work) override {
    while (is_slow) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    if (is_full) return Error{ErrorCode::kUnavailable, "the disk is full"};
    return real_->write(work);
  }
  Status read(const std::function<Status(store::Transaction&)>& work) const override {
    return real_->read(work);
  }
  Status backup(const std::string& path) const override { return real_->backup(path); }
  Status verify() const override { return real_->verify(); }
  bool is_postgresql() const override { return real_->is_postgresql(); }

  std::atomic<bool> is_full = false, is_slow = false;

 private:
  std::unique_ptr<store::Database> real_;
};

// What the writer's thread said to one request.
class Listener {
 public:
  MeterHandlers handlers() {
    return {[this](const Status& status) {
              const std::lock_guard lock(mutex_);
              opened_ = status;
              changed_.notify_all();
            },
            [this] {
              const std::lock_guard lock(mutex_);
              ++n_ready_;
              changed_.notify_all();
            }};
  }
  Status wait_opened() {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(
        changed_.wait_for(lock, std::chrono::seconds(20), [&] { return opened_.has_value(); }));
    return opened_.value_or(Status(Error{ErrorCode::kInternal, "nothing was said"}));
  }
  void wait_ready(int n) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, std::chrono::seconds(20), [&] { return n_ready_ >= n; }));
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Status> opened_;
  int n_ready_ = 0;
};

class MeteringTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = store::Database::open(store_.location());
    ASSERT_TRUE(opened) << opened.error().to_string();
    disk_ = std::make_shared<Disk>(std::move(*opened));
  }
  void start(int64_t give_up_ms = 10'000) {
    MeteringOptions options;
    options.now = [this] { return now_.load(); };
    options.max_open = 4;
    options.give_up_ms = give_up_ms;
    auto started = Metering::start(disk_, options);
    ASSERT_TRUE(started) << started.error().to_string();
    metering_ = *std::move(started);
  }
  std::unique_ptr<Meter> admit(const std::string& id, Listener& listener, Refusal& refusal,
                               int64_t tokens_in = 10) {
    Admission admission{id, "request", "m", tokens_in, {"user_a", "", "", {}}, {}};
    admission.pass = metering_->limits().pass_of(admission.spender);
    return metering_->admit(admission, listener.handlers(), refusal);
  }
  void write(const std::function<Status(store::Transaction&)>& work) {
    const Status status = disk_->write(work);
    ASSERT_TRUE(status) << status.error().to_string();
  }
  std::vector<store::UsageRow> rows() {
    std::vector<store::UsageRow> out;
    const Status status = disk_->read([&](store::Transaction& t) -> Status {
      store::UsageFilter all;
      all.end = INT64_MAX;
      MARU_ASSIGN_OR_RETURN(out, store::list_usage(t, all, 1000));
      return {};
    });
    EXPECT_TRUE(status);
    return out;
  }

  store::testing::FreshDatabase store_;
  std::shared_ptr<Disk> disk_;
  std::atomic<int64_t> now_ = kNow;
  std::shared_ptr<Metering> metering_;
  Refusal refusal_;
};

TEST_F(MeteringTest, NoTokenIsGivenOutBeforeItsRowCountsIt) {
  start();
  Listener listener;
  const auto meter = admit("a", listener, refusal_);
  ASSERT_TRUE(meter);
  ASSERT_TRUE(listener.wait_opened());
  int n_held = 0;
  for (int64_t n = 1; n <= 500; ++n) {
    while (meter->pass(n) == Meter::Verdict::kHold) listener.wait_ready(++n_held);
    const int64_t written = rows().at(0).tokens_out;
    ASSERT_GE(written, n);
    ASSERT_LE(written, n + 32);
  }
  meter->close(Outcome::kStop, {10, 4, 500, 0});
  metering_.reset();
  const store::UsageRow row = rows().at(0);
  EXPECT_EQ(row.outcome, "stop");
  EXPECT_EQ(row.tokens_out, 500);
  EXPECT_EQ(row.tokens_cached, 4);
}

TEST_F(MeteringTest, ASlowDiskHoldsTokensNotThreads) {
  start();
  Listener listener;
  const auto meter = admit("a", listener, refusal_);
  ASSERT_TRUE(meter);
  ASSERT_TRUE(listener.wait_opened());
  disk_->is_slow = true;
  int64_t n = 1;
  while (meter->pass(n) == Meter::Verdict::kPass) ++n;
  EXPECT_LE(n, 33);
  disk_->is_slow = false;
  listener.wait_ready(1);
  EXPECT_EQ(meter->pass(n), Meter::Verdict::kPass);
}

TEST_F(MeteringTest, AFullDiskRefusesNewRequestsAndEndsOldOnes) {
  start(0);
  Listener old, refused, later;
  const auto running = admit("old", old, refusal_);
  ASSERT_TRUE(running);
  ASSERT_TRUE(old.wait_opened());
  disk_->is_full = true;
  auto meter = admit("refused", refused, refusal_);
  ASSERT_TRUE(meter);
  const Status opened = refused.wait_opened();
  ASSERT_FALSE(opened);
  EXPECT_EQ(meter->refusal().error.code, ErrorCode::kUnavailable);
  meter.reset();
  EXPECT_EQ(running->pass(100), Meter::Verdict::kHold);
  old.wait_ready(1);
  EXPECT_EQ(running->pass(100), Meter::Verdict::kOver);
  EXPECT_EQ(running->refusal().error.code, ErrorCode::kUnavailable);
  running->close(Outcome::kFailed, {10, 0, 24, 0});

  disk_->is_full = false;
  meter = admit("later", later, refusal_);
  ASSERT_TRUE(meter);
  EXPECT_TRUE(later.wait_opened());
  meter->close(Outcome::kStop, {10, 0, 1, 0});
  metering_.reset();
  std::map<std::string, std::string> outcomes;
  for (const auto& row : rows()) outcomes[row.id] = row.outcome;
  EXPECT_EQ(outcomes, (std::map<std::string, std::string>{{"old", "failed"}, {"later", "stop"}}));
}

TEST_F(MeteringTest, ADroppedMeterSaysThatTheClientLeftAndADiscardedOneNothing) {
  start();
  Listener a, b;
  auto left = admit("left", a, refusal_);
  auto refused = admit("refused", b, refusal_);
  ASSERT_TRUE(left && refused);
  ASSERT_TRUE(a.wait_opened() && b.wait_opened());
  EXPECT_EQ(left->pass(7), Meter::Verdict::kPass);
  refused->discard();
  left.reset();
  metering_.reset();
  ASSERT_EQ(rows().size(), 1u);
  EXPECT_EQ(rows()[0].outcome, "client_left");
  EXPECT_EQ(rows()[0].tokens_out, 7);
}

TEST_F(MeteringTest, OnlySoManyRowsAreOpen) {
  start();
  std::array<Listener, 5> listeners;
  std::vector<std::unique_ptr<Meter>> meters;
  for (int i = 0; i < 4; ++i) {
    meters.push_back(admit(std::to_string(i), listeners[static_cast<size_t>(i)], refusal_));
    ASSERT_TRUE(meters.back());
  }
  EXPECT_FALSE(admit("4", listeners[4], refusal_));
  EXPECT_EQ(refusal_.error.code, ErrorCode::kRateLimited);
  for (auto& listener : std::span(listeners).first(4)) ASSERT_TRUE(listener.wait_opened());
}

TEST_F(MeteringTest, ThePriceIsThatOfTheAdmission) {
  write([](store::Transaction& t) -> Status {
    MARU_RETURN_IF_ERROR(
        store::add_price(t, {"1", "m", {1'000'000, 100'000, 2'000'000}, kNow - 1, "manual"}));
    return store::add_price(t, {"2", "m", {9, 9, 9}, kNow + 1, "manual"});
  });
  start();
  Listener listener;
  const auto meter = admit("a", listener, refusal_);
  ASSERT_TRUE(meter);
  now_ = kNow + 5000;
  meter->close(Outcome::kStop, {10, 4, 3, 0});
  metering_.reset();
  EXPECT_EQ(rows().at(0).cost_micros, 12);  // 6 + 0.4 + 6, rounded
  EXPECT_EQ(rows()[0].total_ms, 5000);
}

TEST_F(MeteringTest, MoneyEndsAnAnswerAndWhatItHadIsCounted) {
  write([](store::Transaction& t) -> Status {
    MARU_RETURN_IF_ERROR(store::add_price(t, {"1", "m", {0, 0, 1'000'000}, 0, "manual"}));
    return store::set_limit(t, {"user", "user_a", "money_per_month", 20});
  });
  start();
  Listener listener, next;
  const auto meter = admit("a", listener, refusal_);
  ASSERT_TRUE(meter);
  ASSERT_TRUE(listener.wait_opened());
  int64_t n = 1;
  int n_held = 0;
  for (Meter::Verdict verdict; (verdict = meter->pass(n)) != Meter::Verdict::kOver;) {
    if (verdict == Meter::Verdict::kHold) listener.wait_ready(++n_held);
    if (verdict == Meter::Verdict::kPass) ++n;
  }
  EXPECT_EQ(n, 21);
  EXPECT_EQ(meter->refusal().code, "insufficient_quota");
  meter->close(Outcome::kLimit, {10, 0, 20, 0});
  EXPECT_FALSE(admit("b", next, refusal_));
  EXPECT_EQ(refusal_.code, "insufficient_quota");
  EXPECT_GT(refusal_.retry_after_ms, 0);

  // The next start knows.
  metering_.reset();
  start();
  EXPECT_FALSE(admit("c", next, refusal_));
  now_ = next_month_begin(kNow);
  EXPECT_TRUE(admit("d", next, refusal_));
  metering_.reset();
}

}  // namespace
}  // namespace maru::service
