#include "apps/host.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <future>
#include <system_error>
#include <utility>

#include "apps/files.h"
#include "apps/terminal.h"
#include "base/build_id.h"
#include "base/files.h"
#include "base/log.h"
#include "engine/local_engine.h"
#include "engine/prefix_store.h"
#include "kernels/dispatch.h"
#include "service/model_text.h"

namespace maru::apps {

namespace {

// Stored prefixes never take more than one part in this many of the free space.
constexpr uint64_t kDiskShare = 4;

// Null if it is off, or cannot be (which the log tells).
std::unique_ptr<engine::PrefixStore> open_prefix_store(const service::Settings& settings,
                                                       const LoadedModel& loaded) {
  if (settings.prefix_cache_disk_mib == 0) return nullptr;
  engine::PrefixStoreOptions options;
  options.folder = data_folder() + "/cache/prefix";
  // Kernels of another tier or build may round differently: a page is read only by what would have
  // computed the same bits.
  options.identity = fmt::format("model {:016x} isa {} precision {} program {} {}",
                                 loaded.model->info().fingerprint, kernels::isa_name(loaded.isa),
                                 settings.precision, MARU_VERSION, build_id());
  options.budget_bytes = uint64_t{settings.prefix_cache_disk_mib} << 20;
  std::error_code failed;
  std::filesystem::create_directories(options.folder, failed);
  const auto space = std::filesystem::space(options.folder, failed);
  if (!failed) {
    options.budget_bytes = std::min<uint64_t>(options.budget_bytes, space.available / kDiskShare);
  }
  auto store = engine::PrefixStore::open(options, loaded.model->kv_layout());
  if (store) return *std::move(store);
  log_warning("prefixes are not kept over a restart: {}", store.error().to_string());
  return nullptr;
}

// Loads settings.draft_model for a model of `tokenizer` and texts of `context_length` tokens.
Result<LoadedModel> load_draft_model(const service::Settings& settings, ThreadPool& pool,
                                     const text::Tokenizer& tokenizer, uint32_t context_length) {
  MARU_ASSIGN_OR_RETURN(const service::ModelLocation location, find_model(settings.draft_model));
  MARU_ASSIGN_OR_RETURN(const auto own, service::load_tokenizer(location));
  if (!text::same_vocabulary(tokenizer, *own)) {
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("the draft model '{}' has another vocabulary", location.name),
                 "use a small model of the same family, with the same tokenizer", "draft_model"};
  }
  MARU_ASSIGN_OR_RETURN(const models::ModelInfo info, read_model_info(location));
  service::Settings of_draft = settings;
  of_draft.context = std::min(context_length, info.context_length);
  of_draft.kv_memory_mib = 0;
  return load_model(location, of_draft, pool, {engine::Drafter::kCatchUp, 1});
}

}  // namespace

Host::~Host() {
  draft_packing_.reset();
  packing_.reset();
  // The service first: it cancels what runs, and the engine confirms before it ends.
  service_.reset();
  engine_.reset();
}

Result<std::unique_ptr<Host>> Host::start(const Context& context, Prefixes prefixes) {
  const service::Settings& settings = context.settings();
  MARU_ASSIGN_OR_RETURN(const service::ModelLocation location, find_model(settings.model));
  const bool tells = stderr_is_terminal();
  if (tells) write_stderr(context.say(Message::kLoading, location.name));
  std::unique_ptr<Host> host(new Host(thread_count(settings)));

  engine::LocalEngineOptions options;
  options.max_waiting = settings.max_waiting;
  options.scheduler.max_running = settings.max_running;
  options.scheduler.speculates = settings.speculation != "off";
  const StepSize step = engine_step(settings);
  // Neither needs the other.
  auto text_loading = std::async(std::launch::async, [&] {
    return service::load_model_text(location, settings.default_chat_template);
  });
  auto loaded = load_model(location, settings, host->pool_, step);
  if (tells) write_stderr("\r\x1b[K");
  if (!loaded) return std::move(loaded).error();
  host->plan_ = loaded->plan;
  host->isa_ = loaded->isa;
  MARU_ASSIGN_OR_RETURN(service::ModelText text, text_loading.get());

  const uint32_t context_length = loaded->plan.context_length;
  engine::LocalModel model;
  model.name = location.name;
  model.kv_bytes = std::max(loaded->plan.kv_pool_bytes,
                            service::kv_page_bytes(loaded->model->kv_layout(), context_length,
                                                   options.scheduler.max_chunk));
  if (prefixes == Prefixes::kOnDisk) model.store = open_prefix_store(settings, *loaded);
  model.runner = engine::make_model_runner(loaded->model, host->pool_, step.n_tokens);
  if (!settings.draft_model.empty()) {
    MARU_ASSIGN_OR_RETURN(const LoadedModel draft,
                          load_draft_model(settings, host->pool_, *text.tokenizer, context_length));
    MARU_ASSIGN_OR_RETURN(
        model.drafter, engine::Drafter::create(engine::make_model_runner(draft.model, host->pool_,
                                                                         engine::Drafter::kCatchUp),
                                               draft.plan.context_length, options.clock));
    host->draft_packing_.emplace(draft.model);
  }
  std::vector<engine::LocalModel> models;
  models.push_back(std::move(model));
  MARU_ASSIGN_OR_RETURN(auto engine, engine::LocalEngine::create(std::move(models), options));
  host->engine_ = std::move(engine);

  service::ServedModel served;
  served.name = location.name;
  served.context_length = context_length;
  served.tokenizer = std::move(text.tokenizer);
  served.chat_template = std::move(text.chat_template);
  served.end_tokens = std::move(text.end_tokens);
  served.created_unix_seconds = static_cast<int64_t>(std::time(nullptr));
  host->service_ = std::make_shared<service::GenerationService>(
      host->engine_, std::vector<service::ServedModel>{std::move(served)});
  host->packing_.emplace(loaded->model);
  return host;
}

}  // namespace maru::apps
