// The engine in this process: one thread steps its models in turn; submit() and cancel() leave
// their wishes in an inbox that it empties between steps.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
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
  // Errors: kInvalidArgument (no model, a name twice), and those of ModelLoop::create.
  static Result<std::unique_ptr<LocalEngine>> create(std::vector<LocalModel> models,
                                                     LocalEngineOptions options);
  // Cancels what still runs (its handlers get their kFinished) and joins the thread.
  ~LocalEngine() override;

  Status submit(Request request, EventHandler handler) override;
  void cancel(RequestId id) override;
  std::vector<EngineModel> models() const override;
  EngineStats stats() const override;

 private:
  struct Submission {
    ModelLoop* loop;
    Request request;
    EventHandler handler;
  };

  LocalEngine(std::vector<std::unique_ptr<ModelLoop>> loops, LocalEngineOptions options);
  void serve();
  bool take_inbox();
  void forget(RequestId id);

  const LocalEngineOptions options_;
  const std::vector<std::unique_ptr<ModelLoop>> loops_;  // stepped by the engine's thread alone

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable wake_;
  std::vector<Submission> inbox_;
  std::vector<RequestId> cancels_;
  std::unordered_map<RequestId, bool> live_;  // submitted and not at its end -> cancelled
  EngineStats stats_;                         // as of the last step; n_waiting without the inbox
  bool stopping_ = false;

  std::thread thread_;
};

}  // namespace maru::engine
