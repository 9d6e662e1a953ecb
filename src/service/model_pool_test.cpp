#include "service/model_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <future>
#include <map>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>

namespace maru::service {
namespace {

using namespace std::chrono_literals;

constexpr uint64_t kMachine = 1000;

// Models that are numbers of bytes; what a test may look at and hold up.
struct Machine {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<ModelLoader::Listed> models;
  std::map<std::string, uint64_t> bytes;
  std::map<std::string, Error> failures;
  std::string throws;  // the model whose load ends in an exception
  std::set<std::string> loaded;
  std::map<std::string, int> n_loads;
  uint64_t most = 0;  // that was loaded at any time
  bool is_held = false;

  std::string loaded_names() {
    const std::lock_guard lock(mutex);
    std::string names;
    for (const std::string& name : loaded) names += name;
    return names;
  }
  void hold(bool held) {
    {
      const std::lock_guard lock(mutex);
      is_held = held;
    }
    changed.notify_all();
  }
};

class FakeLoader final : public ModelLoader {
 public:
  explicit FakeLoader(std::shared_ptr<Machine> machine) : machine_(std::move(machine)) {}

  std::vector<Listed> list() const override {
    const std::lock_guard lock(machine_->mutex);
    return machine_->models;
  }
  ModelFacts facts(const std::string& name) const override {
    ModelFacts facts;
    facts.file_bytes = machine_->bytes.at(name);
    return facts;
  }
  Result<ModelLocation> locate(const std::string& name) const override {
    return ModelLocation{name, "/" + name};
  }
  Result<MemoryPlan> plan(const std::string& name, const MemoryLimits& limits) override {
    MemoryPlan plan;
    plan.total_bytes = machine_->bytes.at(name);
    if (plan.total_bytes <= limits.available_bytes) return plan;
    return Error{ErrorCode::kTooLarge, name + " takes " + std::to_string(plan.total_bytes) +
                                           " of " + std::to_string(limits.available_bytes)};
  }
  Result<Loaded> load(const std::string& name, const MemoryLimits& limits) override {
    std::unique_lock lock(machine_->mutex);
    ++machine_->n_loads[name];
    machine_->changed.notify_all();
    machine_->changed.wait(lock, [&] { return !machine_->is_held; });
    if (name == machine_->throws) throw std::runtime_error("no thread left");
    if (const auto bad = machine_->failures.find(name); bad != machine_->failures.end()) {
      return bad->second;
    }
    auto planned = plan(name, limits);
    EXPECT_TRUE(planned);
    machine_->loaded.insert(name);
    uint64_t sum = 0;
    for (const std::string& one : machine_->loaded) sum += machine_->bytes.at(one);
    machine_->most = std::max(machine_->most, sum);
    Loaded out;
    out.model.name = name;
    out.plan = *planned;
    return out;
  }
  void unload(const std::string& name) override {
    const std::lock_guard lock(machine_->mutex);
    EXPECT_EQ(machine_->loaded.erase(name), 1u);
    machine_->changed.notify_all();
  }

 private:
  std::shared_ptr<Machine> machine_;
};

class ModelPoolTest : public ::testing::Test {
 protected:
  ModelPoolTest() {
    options.tick = 5ms;
    options.patience = 20s;
    options.limits = [this] {
      MemoryLimits limits;
      limits.total_bytes = kMachine;
      limits.available_bytes = available;
      limits.room_bytes = kMachine;
      return limits;
    };
    options.clock = [this] { return std::chrono::steady_clock::time_point(now.load()); };
  }

  void add(const std::string& name, uint64_t bytes, ModelPolicy policy = {}) {
    policy.is_default = machine->models.empty();
    machine->models.push_back({name, std::move(policy)});
    machine->bytes[name] = bytes;
  }
  void start() {
    pool = std::make_unique<ModelPool>(std::make_unique<FakeLoader>(machine), options);
  }
  ModelUse open(const std::string& name) {
    now = now.load() + 1s;
    auto use = pool->open_and_wait(name);
    EXPECT_TRUE(use) << use.error().to_string();
    return use ? *use : nullptr;
  }
  void wait_for(const std::string& names) {
    std::unique_lock lock(machine->mutex);
    EXPECT_TRUE(machine->changed.wait_for(lock, 20s, [&] {
      std::string loaded;
      for (const std::string& name : machine->loaded) loaded += name;
      return loaded == names;
    })) << names;
  }

  std::shared_ptr<Machine> machine = std::make_shared<Machine>();
  ModelPoolOptions options;
  std::atomic<uint64_t> available{kMachine};
  std::atomic<std::chrono::steady_clock::duration> now{std::chrono::hours(1)};
  std::unique_ptr<ModelPool> pool;
};

TEST_F(ModelPoolTest, LoadsOnFirstUseAndKeepsTheModel) {
  add("a", 100);
  add("b", 100);
  start();
  EXPECT_EQ(pool->use("a"), nullptr);
  EXPECT_EQ(open("a")->name, "a");
  EXPECT_EQ(machine->loaded_names(), "a");
  EXPECT_NE(pool->use("a"), nullptr);
  EXPECT_EQ(machine->n_loads["a"], 1);
  EXPECT_EQ(pool->open_and_wait("c").error().code, ErrorCode::kNotFound);
  const auto list = pool->list();
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[0].state, ModelState::kLoaded);
  EXPECT_EQ(list[0].plan.total_bytes, 100u);
  EXPECT_EQ(list[1].state, ModelState::kUnloaded);
}

TEST_F(ModelPoolTest, FindsModelsByAliasAndTheDefaultByNoName) {
  ModelPolicy policy;
  policy.aliases = {"gpt-4o", "a"};
  add("a", 100);
  add("b", 100, policy);
  start();
  EXPECT_EQ(pool->resolve(""), "a");
  EXPECT_EQ(pool->resolve("gpt-4o"), "b");
  EXPECT_EQ(pool->resolve("a"), "a");  // a name is stronger than an alias
  EXPECT_EQ(pool->resolve("gpt-4"), std::nullopt);
}

TEST_F(ModelPoolTest, TheOneUsedLongestAgoMakesRoomAndTheDefaultComesLast) {
  for (const char* name : {"a", "b", "c", "d"}) add(name, 300);
  start();
  for (const char* name : {"a", "c", "b"}) open(name);
  open("d");
  EXPECT_EQ(machine->loaded_names(), "abd");
  open("b");
  open("c");
  EXPECT_EQ(machine->loaded_names(), "abc");
  EXPECT_LE(machine->most, kMachine);
}

TEST_F(ModelPoolTest, PinnedOnesAndThoseInUseStay) {
  ModelPolicy pinned;
  pinned.is_pinned = true;
  add("a", 300);
  add("b", 300, pinned);
  add("c", 300);
  add("d", 300);
  start();
  open("b");
  open("c");
  const ModelUse held = open("a");
  open("d");
  EXPECT_EQ(machine->loaded_names(), "abd");
}

TEST_F(ModelPoolTest, WhatCanNeverFitIsRefusedWithTheCountsAndNothingIsUnloaded) {
  ModelPolicy pinned;
  pinned.is_pinned = true;
  add("a", 300);
  add("b", 300, pinned);
  add("c", 701);
  add("d", 1001);
  start();
  open("a");
  open("b");
  for (const char* name : {"c", "d"}) {
    const auto refused = pool->open_and_wait(name);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kTooLarge);
    EXPECT_NE(refused.error().message.find("other models hold b 300 B (pinned)"), std::string::npos)
        << refused.error().message;
  }
  EXPECT_EQ(machine->loaded_names(), "ab");
  EXPECT_EQ(machine->n_loads["c"], 0);
  EXPECT_FALSE(pool->list()[2].last_error.message.empty());
}

TEST_F(ModelPoolTest, ALoadWaitsForRequestsThatHoldItsMemory) {
  add("a", 600);
  add("b", 600);
  start();
  ModelUse held = open("a");
  std::promise<bool> loaded;
  pool->open("b", [&](const Result<ModelUse>& use) { loaded.set_value(use.has_value()); });
  auto waiting = loaded.get_future();
  EXPECT_EQ(waiting.wait_for(50ms), std::future_status::timeout);
  EXPECT_EQ(pool->list()[1].state, ModelState::kLoading);
  held.reset();
  EXPECT_TRUE(waiting.get());
  EXPECT_EQ(machine->loaded_names(), "b");
}

TEST_F(ModelPoolTest, ALoadGivesUpWhenRequestsHoldItsMemoryTooLong) {
  options.patience = 50ms;
  add("a", 600);
  add("b", 600);
  start();
  const ModelUse held = open("a");
  const auto refused = pool->open_and_wait("b");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(machine->loaded_names(), "a");
}

TEST_F(ModelPoolTest, AModelThatIsAlwaysUsedGivesWay) {
  options.turn = 10ms;
  add("a", 600);
  add("b", 600);
  start();
  ModelUse held = open("a");
  std::promise<bool> b_loaded, a_again;
  pool->open("b", [&](const Result<ModelUse>& use) { b_loaded.set_value(use.has_value()); });
  // There is a next request before the last one ends, until new ones have to wait.
  const auto deadline = std::chrono::steady_clock::now() + 20s;
  while (ModelUse next = pool->admit("a")) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
    held = std::move(next);
    std::this_thread::sleep_for(1ms);
  }
  EXPECT_TRUE(pool->use("a"));  // what runs already goes on
  pool->open("a", [&](const Result<ModelUse>& use) { a_again.set_value(use.has_value()); });
  held.reset();
  EXPECT_TRUE(b_loaded.get_future().get());
  EXPECT_TRUE(a_again.get_future().get());
  EXPECT_EQ(machine->n_loads["a"], 2);
  EXPECT_LE(machine->most, kMachine);
}

TEST_F(ModelPoolTest, WhoWasHeldBackIsServedWhenTheLoadGivesUp) {
  options.turn = 10ms;
  options.patience = 100ms;
  add("a", 600);
  add("b", 600);
  start();
  const ModelUse held = open("a");
  std::promise<bool> b_loaded, a_served;
  pool->open("b", [&](const Result<ModelUse>& use) { b_loaded.set_value(use.has_value()); });
  while (pool->admit("a") && pool->list()[1].state == ModelState::kLoading) {
    std::this_thread::sleep_for(1ms);
  }
  pool->open("a", [&](const Result<ModelUse>& use) { a_served.set_value(use.has_value()); });
  EXPECT_FALSE(b_loaded.get_future().get());
  EXPECT_TRUE(a_served.get_future().get());
  EXPECT_TRUE(pool->admit("a"));
  EXPECT_EQ(machine->n_loads["a"], 1);
}

TEST_F(ModelPoolTest, ALoadThatThrowsIsAnErrorOfThatModel) {
  add("a", 100);
  add("b", 100);
  machine->throws = "b";
  start();
  const ModelUse held = open("a");
  const auto failed = pool->open_and_wait("b");
  ASSERT_FALSE(failed);
  EXPECT_NE(failed.error().message.find("no thread left"), std::string::npos);
  EXPECT_EQ(pool->last_error("b").message, failed.error().message);
  EXPECT_EQ(pool->last_error("a").message, "");
  EXPECT_TRUE(pool->open_and_wait("a"));
}

TEST_F(ModelPoolTest, ManyWhoWantOneModelLoadItOnceAndHearOfItsFailureOnce) {
  add("a", 100);
  add("b", 100);
  machine->failures["b"] = {ErrorCode::kCorrupt, "the tensor 'x' is torn"};
  start();
  machine->hold(true);
  std::atomic<int> n_good{0}, n_bad{0};
  const auto count = [&](const Result<ModelUse>& use) { ++(use ? n_good : n_bad); };
  for (int i = 0; i < 20; ++i) {
    pool->open("a", count);
    pool->open("b", count);
  }
  machine->hold(false);
  EXPECT_FALSE(pool->open_and_wait("b"));
  EXPECT_TRUE(pool->open_and_wait("a"));
  EXPECT_EQ(n_good, 20);
  EXPECT_EQ(n_bad, 20);
  EXPECT_EQ(machine->n_loads["a"], 1);
  // The next request tries again.
  const int n_loads = machine->n_loads["b"];
  machine->failures.clear();
  EXPECT_TRUE(pool->open_and_wait("b"));
  EXPECT_EQ(machine->n_loads["b"], n_loads + 1);
  EXPECT_TRUE(pool->list()[1].last_error.message.empty());
}

TEST_F(ModelPoolTest, TooManyWhoWaitAreRefused) {
  options.max_waiting = 2;
  add("a", 100);
  start();
  machine->hold(true);
  std::atomic<int> n_waited{0};
  for (int i = 0; i < 2; ++i) pool->open("a", [&](const auto&) { ++n_waited; });
  EXPECT_EQ(pool->open_and_wait("a").error().code, ErrorCode::kRateLimited);
  machine->hold(false);
  while (n_waited < 2) std::this_thread::yield();
  EXPECT_TRUE(pool->open_and_wait("a"));
}

TEST_F(ModelPoolTest, IdleModelsGoButNotTheDefaultPinnedOrUsedOnes) {
  ModelPolicy pinned, patient;
  pinned.is_pinned = true;
  patient.idle_limit = 0min;
  add("a", 100);
  add("b", 100);
  add("c", 100, pinned);
  add("d", 100, patient);
  add("e", 100);
  start();
  for (const char* name : {"a", "b", "c", "d"}) open(name);
  const ModelUse held = open("e");
  now = now.load() + 59min;
  std::this_thread::sleep_for(30ms);
  EXPECT_EQ(machine->loaded_names(), "abcde");
  now = now.load() + 2min;
  wait_for("acde");
}

TEST_F(ModelPoolTest, OthersNeedForMemoryUnloadsWhatNobodyUses) {
  for (const char* name : {"a", "b", "c"}) add(name, 100);
  start();
  open("a");
  open("b");
  const ModelUse held = open("c");
  available = kMachine / 100;
  wait_for("ac");
}

TEST_F(ModelPoolTest, AnAdminUnloadsWhatNobodyUses) {
  add("a", 100);
  start();
  ModelUse held = open("a");
  EXPECT_EQ(pool->unload("a").error().code, ErrorCode::kConflict);
  held.reset();
  EXPECT_TRUE(pool->unload("a").has_value());
  EXPECT_EQ(machine->loaded_names(), "");
  EXPECT_TRUE(pool->unload("a").has_value());
  open("a");
}

TEST_F(ModelPoolTest, ClosingTellsWhoWaitsAndUnloadsAll) {
  for (const char* name : {"a", "b", "c"}) add(name, 100);
  start();
  const ModelUse outlives = open("a");
  machine->hold(true);
  std::promise<ErrorCode> told;
  pool->open("b", [](const auto&) {});
  {
    std::unique_lock lock(machine->mutex);
    machine->changed.wait(lock, [&] { return machine->n_loads["b"] == 1; });
  }
  pool->open("c", [&](const Result<ModelUse>& use) { told.set_value(use.error().code); });
  std::thread closer([&] { pool->close(); });
  while (pool->unload("none")) std::this_thread::yield();  // until it is closed
  machine->hold(false);
  closer.join();
  const ErrorCode code = told.get_future().get();
  EXPECT_EQ(code, ErrorCode::kUnavailable);
  EXPECT_EQ(machine->loaded_names(), "");
}

// Threads use models that don't fit together: each use sees its model loaded, and what is loaded
// never exceeds the machine.
TEST_F(ModelPoolTest, NeverHoldsMoreThanTheMachineUnderLoad) {
  const std::vector<std::string> names = {"a", "b", "c", "d", "e"};
  for (const std::string& name : names) add(name, 400);
  start();
  std::vector<std::thread> threads;
  std::atomic<int> n_served{0};
  for (size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (size_t i = 0; i < 60; ++i) {
        const std::string& name = names[(t * 7 + i * (t + 1)) % names.size()];
        const auto use = pool->open_and_wait(name);
        ASSERT_TRUE(use) << use.error().to_string();
        ASSERT_EQ((*use)->name, name);
        const std::lock_guard lock(machine->mutex);
        ASSERT_TRUE(machine->loaded.contains(name));
        ++n_served;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(n_served, 240);
  EXPECT_LE(machine->most, kMachine);
}

}  // namespace
}  // namespace maru::service
