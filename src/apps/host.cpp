#include "apps/host.h"

#include <utility>

#include "apps/files.h"
#include "apps/terminal.h"
#include "engine/local_engine.h"
#include "kernels/dispatch.h"

namespace maru::apps {

Host::~Host() {
  // The service first: it cancels what runs. Then the models, which the engine gives up.
  service_.reset();
  if (models_) models_->close();
  engine_.reset();
}

Result<std::unique_ptr<Host>> Host::start(const Context& context, Prefixes prefixes, Served served,
                                          uint64_t other_bytes) {
  const service::Settings& settings = context.settings();
  MARU_ASSIGN_OR_RETURN(const service::ModelLocation location, find_model(settings.model));
  const bool tells = stderr_is_terminal();
  if (tells) write_stderr(context.say(Message::kLoading, location.name));
  std::unique_ptr<Host> host(new Host(thread_count(settings)));
  host->model_ = location.name;
  MARU_ASSIGN_OR_RETURN(host->isa_, kernels::choose_isa());

  engine::LocalEngineOptions options;
  options.max_waiting = settings.max_waiting;
  options.scheduler.max_running = settings.max_running;
  options.scheduler.speculates = settings.speculation != "off";
  MARU_ASSIGN_OR_RETURN(host->engine_, engine::LocalEngine::create({}, options));
  service::ModelPoolOptions of_pool;
  of_pool.limits = [other_bytes] { return set_aside(read_memory_limits(), other_bytes); };
  of_pool.logs_loads = served == Served::kAll;
  auto model_host = std::make_unique<ModelHost>(settings, location, prefixes, served,
                                                *host->engine_, host->pool_);
  host->model_host_ = model_host.get();
  host->models_ = std::make_shared<service::ModelPool>(std::move(model_host), of_pool);
  const auto loaded = host->models_->open_and_wait(location.name);
  if (tells) write_stderr("\r\x1b[K");
  if (!loaded) return loaded.error();
  for (const service::ModelStatus& model : host->models_->list()) {
    if (model.name == location.name) host->plan_ = model.plan;
    // Pinned models are there from the start; one that can't be loaded is told and tried again
    // when it is asked for.
    if (model.policy.is_pinned) host->models_->open(model.name, [](const auto&) {});
  }
  host->service_ = std::make_shared<service::GenerationService>(host->engine_, host->models_);
  return host;
}

}  // namespace maru::apps
