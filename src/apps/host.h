// The models of this program with their engine and service, made from the settings.
#pragma once

#include <memory>

#include "apps/command.h"
#include "apps/model_host.h"
#include "service/generation.h"

namespace maru::apps {

class Host {
 public:
  // Finds the default model, checks its memory, loads it, starts the engine. Says what it loads on
  // standard error if that is a terminal. With kOnDisk, prefixes of earlier runs are found again;
  // where the folder can't be used, the log says so and memory has to do. With kAll, further models
  // are loaded when they are asked for. `other_bytes` of this process's memory are not the models'.
  // Errors: those of all these steps.
  static Result<std::unique_ptr<Host>> start(const Context& context,
                                             Prefixes prefixes = Prefixes::kInMemory,
                                             Served served = Served::kOne,
                                             uint64_t other_bytes = 0);
  ~Host();

  service::GenerationService& service() { return *service_; }
  std::shared_ptr<service::GenerationService> shared_service() const { return service_; }
  const std::string& model() const { return model_; }        // the default one
  const service::MemoryPlan& plan() const { return plan_; }  // its plan
  kernels::Isa isa() const { return isa_; }
  // Instead of the settings'. Thread-safe.
  void set_idle_minutes(uint32_t minutes) { model_host_->set_idle_minutes(minutes); }

 private:
  explicit Host(size_t n_threads) : pool_(n_threads) {}

  ThreadPool pool_;  // outlives the engine
  std::string model_;
  service::MemoryPlan plan_;
  kernels::Isa isa_ = kernels::Isa::kScalar;
  std::shared_ptr<engine::LocalEngine> engine_;
  std::shared_ptr<service::ModelPool> models_;
  ModelHost* model_host_ = nullptr;  // of models_
  std::shared_ptr<service::GenerationService> service_;
};

}  // namespace maru::apps
