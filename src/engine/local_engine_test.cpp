// The engine with its thread: queues, several callers' threads, several models, the end.
#include "engine/local_engine.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

#include "base/testing/test_folder.h"
#include "engine/testing/fake_runner.h"

namespace maru::engine {
namespace {

using testing::FakeRunner;
using testing::FakeShape;
using testing::Told;

// What handlers heard, behind a lock.
class Listener {
 public:
  EventHandler handler(RequestId id) {
    return [this, id](const Event& event) {
      const std::lock_guard lock(mutex_);
      told_[id].hear(event);
      changed_.notify_all();
    };
  }
  void wait_for_ends(size_t n) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] {
      size_t n_ends = 0;
      for (const auto& [id, told] : told_) n_ends += told.n_ends;
      return n_ends >= n;
    });
  }
  void wait_for_tokens(RequestId id, size_t n) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return told_[id].tokens.size() >= n; });
  }
  Told told(RequestId id) {
    const std::lock_guard lock(mutex_);
    return told_[id];
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<RequestId, Told> told_;
};

// Holds the engine inside each step until it is let through.
class Gate {
 public:
  void pass() {
    std::unique_lock lock(mutex_);
    const int step = ++n_inside_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return step <= n_let_through_; });
  }
  void wait_inside(int step) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return n_inside_ >= step; });
  }
  void let_through(int step) {
    const std::lock_guard lock(mutex_);
    n_let_through_ = step;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int n_inside_ = 0, n_let_through_ = 0;
};

struct Harness {
  FakeShape shape;
  LocalEngineOptions options;
  std::shared_ptr<FakeRunner::Log> log = std::make_shared<FakeRunner::Log>();
  Listener listener;  // outlives the engine
  std::unique_ptr<LocalEngine> engine;

  Harness() { options.scheduler = {.max_running = 4, .max_chunk = 32, .chunk_multiple = 8}; }
  void start(std::vector<std::string> names = {"m"}) {
    shape.max_rows = max_step_rows(options.scheduler);
    std::vector<LocalModel> models;
    for (auto& name : names) {
      models.push_back({name, std::make_unique<FakeRunner>(shape, log), uint64_t{1} << 22});
    }
    engine = LocalEngine::create(std::move(models), options).value();
  }
  Request request(RequestId id, uint32_t max_new_tokens = 5) const {
    Request r;
    r.id = id;
    r.model = "m";
    r.prompt = {1, 2, 3, static_cast<TokenId>(id % 20)};
    r.max_new_tokens = max_new_tokens;
    r.sampling.temperature = 0.0f;
    return r;
  }
  Status submit(const Request& r) { return engine->submit(r, listener.handler(r.id)); }
  LocalModel model(const std::string& name) const {
    return {name, std::make_unique<FakeRunner>(shape, log), uint64_t{1} << 22};
  }
};

TEST(LocalEngine, AnswersAndListsItsModels) {
  Harness s;
  s.start();
  const auto models = s.engine->models();
  ASSERT_EQ(models.size(), 1u);
  EXPECT_EQ(models[0].name, "m");
  EXPECT_EQ(models[0].vocab_size, 24u);
  EXPECT_EQ(models[0].context_length, 1024u);
  const Request r = s.request(1);
  ASSERT_TRUE(s.submit(r).has_value());
  s.listener.wait_for_ends(1);
  EXPECT_EQ(s.listener.told(1).tokens, testing::fake_oracle(s.shape, r).tokens);
}

TEST(LocalEngine, RefusesUnknownModelsAndIdsInUse) {
  Harness s;
  Gate gate;
  s.log->on_run = [&](auto) { gate.pass(); };
  s.start();
  Request r = s.request(1, 500);
  ASSERT_TRUE(s.submit(r).has_value());
  gate.wait_inside(1);
  EXPECT_EQ(s.submit(r).error().code, ErrorCode::kInvalidArgument);
  s.engine->cancel(1);
  gate.let_through(1'000'000);
  s.listener.wait_for_ends(1);
  r.max_new_tokens = 1;
  ASSERT_TRUE(s.submit(r).has_value()) << "an id is free again after its end";
  s.listener.wait_for_ends(2);
  r.model = "other";
  EXPECT_EQ(s.submit(r).error().code, ErrorCode::kNotFound);
}

TEST(LocalEngine, AFullQueueRefusesAtOnceAndLosesNobody) {
  Harness s;
  Gate gate;
  s.options.max_waiting = 5;
  s.options.scheduler.max_running = 1;
  s.log->on_run = [&](auto) { gate.pass(); };
  s.start();
  ASSERT_TRUE(s.submit(s.request(1, 10)).has_value());
  gate.wait_inside(1);
  gate.let_through(1);
  gate.wait_inside(2);  // the first request has its place now
  size_t n_accepted = 1;
  const auto submit_many = [&](RequestId first) {
    for (RequestId id = first; id < first + 20; ++id) {
      const Status status = s.submit(s.request(id, 1));
      n_accepted += status.has_value();
      if (!status) {
        EXPECT_EQ(status.error().code, ErrorCode::kRateLimited);
      }
    }
  };
  submit_many(2);
  EXPECT_EQ(n_accepted, 1u + 5u);
  EXPECT_EQ(s.engine->stats().n_waiting, 5u);
  gate.let_through(2);
  gate.wait_inside(3);  // the inbox was emptied, but nobody else got a place
  submit_many(22);
  EXPECT_EQ(n_accepted, 1u + 5u);
  EXPECT_EQ(s.engine->stats().n_waiting, 5u);
  gate.let_through(1'000'000);
  s.listener.wait_for_ends(n_accepted);
  for (RequestId id = 1; id < 42; ++id) EXPECT_LE(s.listener.told(id).n_ends, 1u);
}

TEST(LocalEngine, CancelStopsARunningRequest) {
  Harness s;
  Gate gate;
  s.log->on_run = [&](auto) { gate.pass(); };
  s.start();
  ASSERT_TRUE(s.submit(s.request(1, 1000)).has_value());
  gate.let_through(4);
  gate.wait_inside(5);
  s.listener.wait_for_tokens(1, 3);
  s.engine->cancel(1);
  s.engine->cancel(1);
  s.engine->cancel(777);
  gate.let_through(1'000'000);
  s.listener.wait_for_ends(1);
  const Told told = s.listener.told(1);
  EXPECT_EQ(told.reason, FinishReason::kCancelled);
  EXPECT_EQ(told.n_ends, 1u);
}

TEST(LocalEngine, TheEndCancelsWhatStillRuns) {
  Harness s;
  s.start();
  for (RequestId id = 1; id < 12; ++id) ASSERT_TRUE(s.submit(s.request(id, 1000)).has_value());
  s.listener.wait_for_tokens(1, 1);
  s.engine.reset();
  for (RequestId id = 1; id < 12; ++id) {
    EXPECT_EQ(s.listener.told(id).n_ends, 1u) << id;
  }
}

TEST(LocalEngine, ModelsShareTheEngineButNoKv) {
  Harness s;
  s.start({"m", "n"});
  const Request first = s.request(1, 20);
  Request second = s.request(2, 20);
  second.model = "n";
  second.prompt = first.prompt;
  ASSERT_TRUE(s.submit(first).has_value());
  ASSERT_TRUE(s.submit(second).has_value());
  s.listener.wait_for_ends(2);
  const auto expected = testing::fake_oracle(s.shape, first).tokens;
  EXPECT_EQ(s.listener.told(1).tokens, expected);
  EXPECT_EQ(s.listener.told(2).tokens, expected);
  EXPECT_EQ(s.listener.told(2).usage.cached_tokens, 0u);
  EXPECT_EQ(s.log->n_violations, 0u);
}

TEST(LocalEngine, RefusesModelsThatCannotBeServed) {
  FakeShape shape;
  const auto make = [&](std::vector<std::string> names, uint64_t kv_bytes, size_t rows) {
    shape.max_rows = rows;
    std::vector<LocalModel> models;
    for (auto& name : names) {
      models.push_back({name,
                        std::make_unique<FakeRunner>(shape, std::make_shared<FakeRunner::Log>()),
                        kv_bytes});
    }
    const auto engine = LocalEngine::create(std::move(models), {});
    return engine ? std::string("made") : std::string(error_code_name(engine.error().code));
  };
  const size_t rows = max_step_rows({});
  EXPECT_EQ(make({"a"}, uint64_t{1} << 24, rows), "made");
  EXPECT_EQ(make({}, uint64_t{1} << 24, rows), "made");
  EXPECT_EQ(make({"a", "a"}, uint64_t{1} << 24, rows), "invalid_argument");
  EXPECT_EQ(make({"a"}, uint64_t{1} << 24, rows - 1), "invalid_argument");
  EXPECT_EQ(make({"a"}, 4096, rows), "too_large");
}

TEST(LocalEngine, TakesModelsInAndOut) {
  Harness s;
  s.start({});
  Request r = s.request(1);
  EXPECT_EQ(s.submit(r).error().code, ErrorCode::kNotFound);
  ASSERT_TRUE(s.engine->add_model(s.model("m")).has_value());
  EXPECT_EQ(s.engine->add_model(s.model("m")).error().code, ErrorCode::kInvalidArgument);
  ASSERT_TRUE(s.submit(r).has_value());
  s.listener.wait_for_ends(1);
  EXPECT_EQ(s.listener.told(1).tokens, testing::fake_oracle(s.shape, r).tokens);
  const uint64_t n_new = s.engine->stats().new_tokens;
  ASSERT_TRUE(s.engine->remove_model("m").has_value());
  EXPECT_EQ(s.engine->remove_model("m").error().code, ErrorCode::kNotFound);
  EXPECT_TRUE(s.engine->models().empty());
  EXPECT_GE(s.engine->stats().new_tokens, n_new);
  r.id = 2;
  EXPECT_EQ(s.submit(r).error().code, ErrorCode::kNotFound);
}

TEST(LocalEngine, ARemovedModelsRequestsEndOnceAndOthersGoOn) {
  Harness s;
  Gate gate;
  s.start({"m", "n"});
  s.log->on_run = [&](auto) { gate.pass(); };
  Request long_one = s.request(1, 500);
  ASSERT_TRUE(s.submit(long_one).has_value());
  gate.wait_inside(1);
  Request other = s.request(2, 5);
  other.model = "n";
  ASSERT_TRUE(s.submit(other).has_value());
  std::thread remover([&] { EXPECT_TRUE(s.engine->remove_model("m").has_value()); });
  gate.let_through(100'000);
  remover.join();
  s.listener.wait_for_ends(2);
  EXPECT_EQ(s.listener.told(1).n_ends, 1u);
  EXPECT_EQ(s.listener.told(1).reason, FinishReason::kCancelled);
  EXPECT_EQ(s.listener.told(2).tokens, testing::fake_oracle(s.shape, other).tokens);
}

// Prefixes on disk: saved while nothing else is to be done, and at the end.
class LocalEngineOnDisk : public ::testing::Test {
 protected:
  void start(Harness& s) const {
    s.shape.max_rows = max_step_rows(s.options.scheduler);
    auto runner = std::make_unique<FakeRunner>(s.shape, s.log);
    auto store = PrefixStore::open(
        {.folder = folder_.path(), .identity = "m", .budget_bytes = uint64_t{1} << 20},
        runner->kv_layout());
    std::vector<LocalModel> models;
    models.push_back({"m", std::move(runner), uint64_t{1} << 22, std::move(store).value()});
    s.engine = LocalEngine::create(std::move(models), s.options).value();
  }
  static Request request(const Harness& s) {
    Request r = s.request(1, 6);
    r.prompt.assign(50, 7);
    return r;
  }
  static Told answer(Harness& s) {
    EXPECT_TRUE(s.submit(request(s)).has_value());
    s.listener.wait_for_ends(1);
    return s.listener.told(1);
  }

  TestFolder folder_;
};

TEST_F(LocalEngineOnDisk, ARestartedEngineGoesOnWhereTheLastOneWas) {
  Harness first, second;
  start(first);
  const Told expected = answer(first);
  first.engine.reset();  // at once: what is on its way is still written
  start(second);
  const Told told = answer(second);
  EXPECT_EQ(told.tokens, expected.tokens);
  EXPECT_EQ(told.usage.cached_tokens, 48u);  // all whole pages before the last token
  EXPECT_EQ(second.log->n_violations, 0u);
}

TEST_F(LocalEngineOnDisk, AnIdleEngineSavesWhatItHas) {
  Harness s;
  start(s);
  const Told told = answer(s);
  const size_t n_computed = 50 + told.tokens.size() - 1;
  while (s.engine->stats().disk_pages_written < n_computed / s.shape.page_tokens) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(s.engine->stats().disk_pages_dropped, 0u);
  EXPECT_GT(s.engine->stats().disk_bytes, 0u);
}

// Several threads submit, cancel and look at once; every accepted request ends exactly once and
// the finished ones have the answers they get alone.
TEST(LocalEngine, ManyThreadsMaySubmitAndCancel) {
  Harness s;
  s.options.max_waiting = 32;
  s.start({"m", "n"});
  std::atomic<size_t> n_accepted{0};
  std::mutex mutex;
  std::map<RequestId, Request> accepted;
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (uint64_t i = 0; i < 150; ++i) {
        Request r = s.request(t * 1000 + i, static_cast<uint32_t>(i % 13));
        r.caller = std::to_string(t);
        r.model = i % 3 == 0 ? "n" : "m";
        if (s.submit(r)) {
          ++n_accepted;
          const std::lock_guard lock(mutex);
          accepted[r.id] = r;
        } else {
          std::this_thread::yield();
        }
        if (i % 5 == 0) s.engine->cancel(t * 1000 + i / 2);
        if (i % 7 == 0) static_cast<void>(s.engine->stats());
      }
    });
  }
  for (auto& thread : threads) thread.join();
  s.listener.wait_for_ends(n_accepted);
  for (const auto& [id, request] : accepted) {
    const Told told = s.listener.told(id);
    ASSERT_EQ(told.n_ends, 1u);
    ASSERT_EQ(told.n_disorder, 0u);
    if (told.reason == FinishReason::kCancelled) continue;
    ASSERT_EQ(told.tokens, testing::fake_oracle(s.shape, request).tokens);
  }
}

// While some submit, another thread takes a model in and out.
TEST(LocalEngine, ModelsMayComeAndGoUnderLoad) {
  Harness s;
  s.options.max_waiting = 32;
  s.start({"m"});
  std::atomic<size_t> n_accepted{0};
  std::atomic<bool> is_over{false};
  std::thread changer([&] {
    while (!is_over) {
      ASSERT_TRUE(s.engine->add_model(s.model("n")).has_value());
      std::this_thread::yield();
      ASSERT_TRUE(s.engine->remove_model("n").has_value());
    }
  });
  std::mutex mutex;
  std::map<RequestId, Request> accepted;
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      for (uint64_t i = 0; i < 150; ++i) {
        Request r = s.request(t * 1000 + i, static_cast<uint32_t>(i % 13));
        r.model = i % 2 == 0 ? "n" : "m";
        if (!s.submit(r)) continue;
        ++n_accepted;
        const std::lock_guard lock(mutex);
        accepted[r.id] = r;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  s.listener.wait_for_ends(n_accepted);
  is_over = true;
  changer.join();
  EXPECT_EQ(s.log->n_violations, 0u);
  for (const auto& [id, request] : accepted) {
    const Told told = s.listener.told(id);
    ASSERT_EQ(told.n_ends, 1u);
    if (told.reason == FinishReason::kCancelled) {
      ASSERT_EQ(request.model, "n");
      continue;
    }
    ASSERT_EQ(told.tokens, testing::fake_oracle(s.shape, request).tokens);
  }
}

}  // namespace
}  // namespace maru::engine
