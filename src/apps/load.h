// From settings to a loaded model: threads, kernels, the memory check before a byte is read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/memory_limits.h"
#include "base/result.h"
#include "base/thread_pool.h"
#include "models/model.h"
#include "service/config.h"
#include "service/memory_plan.h"
#include "service/model_store.h"

namespace maru::apps {

// What one step may have: it sizes the work buffers.
struct StepSize {
  size_t n_tokens = 0;
  size_t n_logit_rows = 0;
};

// Of the engine that the settings make.
StepSize engine_step(const service::Settings& settings);

kernels::KvType kv_type_of(const service::Settings& settings);
models::Precision precision_of(const service::Settings& settings);

// settings.threads, or the CPUs that this process may use.
size_t thread_count(const service::Settings& settings);

// Errors: kInvalidArgument (a tokenizer without weights) and those of Model::read_info.
Result<models::ModelInfo> read_model_info(const service::ModelLocation& location);

// What the model takes, tokenizer and logits included. Errors: those of Model::estimate_memory.
Result<models::MemoryEstimate> estimate_load(const service::ModelLocation& location,
                                             const models::ModelInfo& info,
                                             const service::Settings& settings,
                                             const StepSize& step);

struct LoadedModel {
  service::ModelLocation location;
  service::MemoryPlan plan;
  kernels::Isa isa = kernels::Isa::kScalar;
  std::shared_ptr<const models::Model> model;
};

// settings.packed_cache: where packed weights are kept; empty: nowhere.
std::string packed_folder(const service::Settings& settings);

// Holds the memory for settings.context tokens against the limits, then loads. Errors:
// those of the functions above, of service::plan_memory, Model::load and choose_isa.
Result<LoadedModel> load_model(const service::ModelLocation& location,
                               const service::Settings& settings, ThreadPool& pool,
                               const StepSize& step,
                               const MemoryLimits& limits = read_memory_limits());

// Rows of logits that fit into a buffer of 64 MiB: 1 to `max_rows`.
size_t logit_rows(uint32_t n_vocab, size_t max_rows);

// A model that one command drives by itself, without an engine: one sequence, all pages its own.
// Not thread-safe.
class SoloModel {
 public:
  // Room for `n_tokens` positions and steps of at most that size. Errors: those of load_model.
  static Result<std::unique_ptr<SoloModel>> load(const service::ModelLocation& location,
                                                 service::Settings settings, uint32_t n_tokens,
                                                 const StepSize& step);
  ~SoloModel();

  const models::ModelInfo& info() const { return loaded_.model->info(); }
  kernels::Isa isa() const { return loaded_.isa; }
  ThreadPool& pool() { return pool_; }

  // Runs `tokens` at positions first_position ..; at 0 a new sequence begins. Ids must be in the
  // vocabulary and positions below n_tokens. `logits` and `blocks`: as Model::run.
  void run(std::span<const int32_t> tokens, uint32_t first_position, models::LogitsWanted wanted,
           float* logits, kernels::LogitBlock* blocks = nullptr, float sum_scale = 0.0f);

 private:
  explicit SoloModel(size_t n_threads);

  ThreadPool pool_;
  LoadedModel loaded_;
  struct Pages;
  std::unique_ptr<Pages> pages_;
  std::unique_ptr<models::Workspace, void (*)(models::Workspace*)> workspace_;
  StepSize step_ = {};
};

}  // namespace maru::apps
