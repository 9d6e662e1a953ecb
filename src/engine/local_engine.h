// The engine in this process: one thread steps its models in turn; submit(), cancel(), add_model()
// and remove_model() leave their wishes in an inbox that it empties between steps. Models share the
// thread, the queue's bound and nothing else: each has its own scheduler and KV pages.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "engine/engine.h"
#include "engine/model_loop.h"
#include "engine/scheduler.h"
#include "engine/step_runner.h"

namespace maru::engine {

struct LocalEngineOptions {
  size_t max_waiting = 64;  // requests without a place; more are refused with kRateLimited
  SchedulerOptions scheduler;
  std::chrono::milliseconds flush_grace{2'000};  // at the end, for prefixes on their way to disk
  Clock clock = [] { return std::chrono::steady_clock::now(); };
};

// The workspace that a runner needs.
inline size_t max_step_rows(const SchedulerOptions& options) {
  return options.max_running + options.max_chunk;
}

struct LocalModel {
  std::string name;
  std::unique_ptr<StepRunner> runner;
  uint64_t kv_bytes = 0;                    // budget of its KV pages
  std::unique_ptr<PrefixStore> store = {};  // keeps its prefixes on disk; may be null
  std::unique_ptr<Drafter> drafter = {};    // guesses for it; may be null
};

class LocalEngine final : public Engine {
 public:
  // Errors: those of add_model().
  static Result<std::unique_ptr<LocalEngine>> create(std::vector<LocalModel> models,
                                                     LocalEngineOptions options);
  // Cancels what still runs (its handlers get their kFinished) and joins the thread.
  ~LocalEngine() override;

  // Serves one more model from now on. Steps of the others go on meanwhile. Errors:
  // kInvalidArgument (the name is there already), and those of ModelLoop::create.
  Status add_model(LocalModel model);
  // Takes a model out: what still runs on it is cancelled (its handlers get their kFinished), its
  // prefixes on their way to the disk are written, its memory is free when this returns. Waits for
  // the step that runs; steps of the others go on afterwards. Not to be called by a handler.
  // Errors: kNotFound.
  Status remove_model(const std::string& name);

  Status submit(Request request, EventHandler handler) override;
  void cancel(RequestId id) override;
  std::vector<EngineModel> models() const override;
  EngineStats stats() const override;

 private:
  using Loop = std::shared_ptr<ModelLoop>;  // shared with calls of submit() that check a request
  struct Submission {
    Loop loop;
    Request request;
    EventHandler handler;
  };
  struct Removal {
    Loop loop;
    std::promise<void> is_out;
  };

  explicit LocalEngine(LocalEngineOptions options);
  void serve();
  bool take_inbox();
  void take_out(const Loop& loop);
  void forget(RequestId id);
  Loop find_loop(const std::string& name) const;

  const LocalEngineOptions options_;
  std::vector<Loop> stepped_;  // of the engine's thread alone
  EngineStats removed_;        // counters of models that were taken out; the same

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable wake_;
  std::vector<Loop> loops_;  // that take requests
  std::vector<Removal> removals_;
  std::vector<Submission> inbox_;
  std::vector<RequestId> cancels_;
  std::unordered_map<RequestId, bool> live_;  // submitted and not at its end -> cancelled
  EngineStats stats_;                         // as of the last step; n_waiting without the inbox
  bool stopping_ = false;

  std::thread thread_;
};

}  // namespace maru::engine
