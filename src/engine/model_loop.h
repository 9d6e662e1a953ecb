// The loop of one model: plan -> run -> sample -> apply, one step at a call. No threads and no
// waiting in here; LocalEngine calls it from the engine's thread, tests from theirs.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "base/result.h"
#include "engine/drafter.h"
#include "engine/engine.h"
#include "engine/kv_cache.h"
#include "engine/scheduler.h"
#include "engine/step_cost.h"
#include "engine/step_runner.h"

namespace maru::engine {

using Clock = std::function<std::chrono::steady_clock::time_point()>;

// Not thread-safe, but for model() and check(), which read what never changes.
class ModelLoop {
 public:
  // Errors: kTooLarge (a KV budget too small for one step), kUnavailable, kInvalidArgument (the
  // runner takes fewer rows a step than the options want).
  static Result<std::unique_ptr<ModelLoop>> create(std::string name,
                                                   std::unique_ptr<StepRunner> runner,
                                                   uint64_t kv_bytes,
                                                   const SchedulerOptions& options, Clock clock);

  const EngineModel& model() const { return model_; }
  // What Engine::submit says about the request itself (not about queues).
  Status check(const Request& request) const;

  void add(Request request, EventHandler handler);  // a request that passed check()
  void cancel(RequestId id);                        // unknown ids are ignored
  void cancel_all();
  bool has_work() const { return scheduler_.has_work(); }
  bool has_streams() const { return scheduler_.has_streams(); }
  // One step, if there is work; and what is new goes on its way to the disk. `beside_streams`:
  // another model's streams wait for it.
  void step(bool beside_streams = false);

  // Keeps prefixes there too; to be called before the first request.
  void set_store(std::unique_ptr<PrefixStore> store) { cache_->set_store(std::move(store)); }
  // A model that guesses for this one; to be called before the first request. Errors:
  // kInvalidArgument (another vocabulary).
  Status set_drafter(std::unique_ptr<Drafter> drafter);
  bool has_unsaved() const { return has_unsaved_; }  // step() should be called again soon
  void flush(std::chrono::steady_clock::time_point deadline) { cache_->flush(deadline); }

  // Adds this model's figures.
  void add_stats(EngineStats& stats) const;
  const Scheduler& scheduler() const { return scheduler_; }
  KvCache& cache() { return *cache_; }

 private:
  ModelLoop(std::string name, std::unique_ptr<StepRunner> runner, std::unique_ptr<KvCache> cache,
            const SchedulerOptions& options, Clock clock);
  void compute(bool beside_streams);
  void run(const StepPlan& plan);
  void apply(const PlanEntry& entry, size_t first_row);
  void apply_draft(const PlanEntry& entry, size_t first_row);
  Status report_prompt(const PlanEntry& entry, size_t first_row);
  bool take_token(Sequence& sequence, const LogitRow& row);
  LogitRow row_at(const Sequence& sequence, size_t index) const;
  void finish(Sequence& sequence, FinishReason reason);
  void fail(Sequence& sequence, Error error);
  void end(std::unique_ptr<Sequence> sequence, FinishReason reason);

  const std::unique_ptr<StepRunner> runner_;
  const std::unique_ptr<KvCache> cache_;
  const Clock clock_;
  EngineModel model_;
  std::unique_ptr<Drafter> drafter_;
  Scheduler scheduler_;
  StepCost cost_;
  std::unique_ptr<float[]> logits_;
  std::unique_ptr<kernels::LogitBlock[]> blocks_;
  size_t n_rows_ = 0;  // room in logits_ and blocks_
  uint64_t n_arrived_ = 0;
  bool has_unsaved_ = false;
  EngineStats ended_;  // sums over requests that ended, and steps
};

}  // namespace maru::engine
