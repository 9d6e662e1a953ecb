// One model with its engine and service in this process, made from the settings.
#pragma once

#include <memory>
#include <optional>

#include "apps/command.h"
#include "apps/load.h"
#include "apps/packing.h"
#include "service/generation.h"

namespace maru::apps {

// Where the prefixes that the engine has computed are kept.
enum class Prefixes { kInMemory, kOnDisk };

class Host {
 public:
  // Finds the model, checks its memory, loads it, starts the engine. Says what it loads on standard
  // error if that is a terminal. With kOnDisk, prefixes of earlier runs are found again; where the
  // folder can't be used, the log says so and memory has to do. Errors: those of all these steps.
  static Result<std::unique_ptr<Host>> start(const Context& context,
                                             Prefixes prefixes = Prefixes::kInMemory);
  ~Host();

  service::GenerationService& service() { return *service_; }
  std::shared_ptr<service::GenerationService> shared_service() { return service_; }
  const service::MemoryPlan& plan() const { return plan_; }
  kernels::Isa isa() const { return isa_; }

 private:
  explicit Host(size_t n_threads) : pool_(n_threads) {}

  ThreadPool pool_;  // outlives the engine
  service::MemoryPlan plan_;
  kernels::Isa isa_ = kernels::Isa::kScalar;
  std::shared_ptr<engine::Engine> engine_;
  std::shared_ptr<service::GenerationService> service_;
  std::optional<PackingTask> packing_, draft_packing_;
};

}  // namespace maru::apps
