// From settings to a loaded model: threads, kernels, the memory check before a byte is read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/result.h"
#include "base/thread_pool.h"
#include "models/model.h"
#include "service/config.h"
#include "service/memory_plan.h"
#include "service/model_store.h"

namespace maru::apps {

// Tokens that one step may have; sizes the work buffers.
inline constexpr size_t kStepRows = 512;

kernels::KvType kv_type_of(const service::Settings& settings);

// settings.threads, or the CPUs that this process may use.
size_t thread_count(const service::Settings& settings);

// Memory of `location` for settings.context tokens against this machine's limits. Errors: those of
// Model::estimate_memory and service::plan_memory.
Result<service::MemoryPlan> plan_load(const service::ModelLocation& location,
                                      const service::Settings& settings,
                                      size_t max_rows = kStepRows);

struct LoadedModel {
  service::ModelLocation location;
  service::MemoryPlan plan;
  kernels::Isa isa = kernels::Isa::kScalar;
  std::unique_ptr<models::Model> model;
};

// plan_load(), then the model itself. Errors: also those of Model::load and choose_isa.
Result<LoadedModel> load_model(const service::ModelLocation& location,
                               const service::Settings& settings, ThreadPool& pool,
                               size_t max_rows = kStepRows);

// Rows of logits that fit into a buffer of 64 MiB: 1 to `max_rows`.
size_t logit_rows(uint32_t n_vocab, size_t max_rows);

// A model that one command drives by itself, without an engine: one sequence, all pages its own.
// Not thread-safe.
class SoloModel {
 public:
  // Room for `n_tokens` positions and steps of at most `max_rows`. Errors: those of load_model.
  static Result<std::unique_ptr<SoloModel>> load(const service::ModelLocation& location,
                                                 service::Settings settings, uint32_t n_tokens,
                                                 size_t max_rows);
  ~SoloModel();

  const models::ModelInfo& info() const { return loaded_.model->info(); }
  kernels::Isa isa() const { return loaded_.isa; }
  ThreadPool& pool() { return pool_; }

  // Runs `tokens` at positions first_position ..; at 0 a new sequence begins. Ids must be in the
  // vocabulary and positions below n_tokens. `logits`: as Model::run.
  void run(std::span<const int32_t> tokens, uint32_t first_position, models::LogitsWanted wanted,
           float* logits);

 private:
  explicit SoloModel(size_t n_threads);

  ThreadPool pool_;
  LoadedModel loaded_;
  struct Pages;
  std::unique_ptr<Pages> pages_;
  std::unique_ptr<models::Workspace, void (*)(models::Workspace*)> workspace_;
  size_t max_rows_ = 0;
};

}  // namespace maru::apps
