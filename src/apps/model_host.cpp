#include "apps/model_host.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <future>
#include <system_error>
#include <utility>

#include "apps/files.h"
#include "base/build_id.h"
#include "base/files.h"
#include "base/log.h"
#include "engine/prefix_store.h"
#include "kernels/dispatch.h"
#include "service/model_text.h"

namespace maru::apps {
namespace {

// Stored prefixes never take more than one part in this many of the free space.
constexpr uint64_t kDiskShare = 4;

// Loads give way to answers.
constexpr int kLoadNiceness = 5;

// How long a look at the models counts, for what the data folder's own time does not tell: files
// inside of their folders, and paths of the settings.
constexpr std::chrono::seconds kPlacesAge{1};

// Far longer than a tick of any file system's clock.
constexpr int64_t kTickNs = 100'000'000;

// When something was added to the data folder's models, removed or renamed; 0: there is no folder.
int64_t folder_written_ns() {
  struct stat found = {};
  if (::stat((data_folder() + "/models").c_str(), &found) != 0) return 0;
  return int64_t{found.st_mtim.tv_sec} * 1'000'000'000 + found.st_mtim.tv_nsec;
}

int64_t wall_clock_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

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
                                     const text::Tokenizer& tokenizer, uint32_t context_length,
                                     const MemoryLimits& limits) {
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
  return load_model(location, of_draft, pool, {engine::Drafter::kCatchUp, 1}, limits);
}

}  // namespace

ModelHost::ModelHost(service::Settings settings, service::ModelLocation location, Prefixes prefixes,
                     Served served, engine::LocalEngine& engine, ThreadPool& pool)
    : settings_(std::move(settings)),
      idle_minutes_(settings_.idle_minutes),
      default_(std::move(location)),
      prefixes_(prefixes),
      served_(served),
      engine_(engine),
      pool_(pool) {}

// The first of a name counts: the default model, those with a path in the settings, the folder's.
std::vector<ModelHost::Place> ModelHost::read_places() const {
  std::vector<Place> places;
  const auto add = [&](service::ModelLocation location, bool is_default) {
    const bool is_known = std::any_of(places.begin(), places.end(), [&](const Place& place) {
      return place.location.name == location.name;
    });
    if (is_known) return;
    Place place{std::move(location), nullptr, is_default};
    for (const service::ModelSettings& own : settings_.models) {
      if (own.name == place.location.name) place.settings = &own;
    }
    places.push_back(std::move(place));
  };
  add(default_, true);
  if (served_ == Served::kOne) return places;
  const service::ModelStore store(data_folder() + "/models");
  for (const service::ModelSettings& own : settings_.models) {
    if (own.path.empty()) continue;
    // What is not there is listed all the same, so that its error can be seen.
    auto location = store.find(own.path);
    if (!location) location = service::ModelLocation{own.name, own.path};
    location->name = own.name;
    add(*std::move(location), false);
  }
  std::error_code code;
  for (service::ModelLocation& location : store.list()) {
    // The default model under another name: the link "default".
    if (std::filesystem::equivalent(location.path, default_.path, code)) continue;
    add(std::move(location), false);
  }
  return places;
}

ModelHost::Places ModelHost::places() const {
  const int64_t written_ns = folder_written_ns();
  const auto now = std::chrono::steady_clock::now();
  {
    const std::lock_guard lock(seen_mutex_);
    if (seen_.places && seen_.folder_written_ns == written_ns && now < seen_.until) {
      return seen_.places;
    }
  }
  const int64_t began_ns = wall_clock_ns();
  Seen seen{std::make_shared<const std::vector<Place>>(read_places()), written_ns,
            now + kPlacesAge};
  // A change within the clock's tick of the one before leaves the time as it is.
  if (began_ns - written_ns < kTickNs) seen.until = now;
  const std::lock_guard lock(seen_mutex_);
  seen_ = seen;
  return seen.places;
}

Result<ModelHost::Place> ModelHost::find(const std::string& name) const {
  const Places all = places();
  for (const Place& place : *all) {
    if (place.location.name == name) return place;
  }
  return Error{ErrorCode::kNotFound, fmt::format("there is no model '{}' any more", name),
               "GET /v1/models lists what is served", "model"};
}

std::vector<service::ModelLoader::Listed> ModelHost::list() const {
  std::vector<Listed> listed;
  const Places all = places();
  for (const Place& place : *all) {
    service::ModelPolicy policy;
    policy.is_default = place.is_default;
    policy.is_pinned = served_ == Served::kOne;
    policy.idle_limit = std::chrono::minutes(idle_minutes_.load());
    if (const service::ModelSettings* own = place.settings) {
      policy.aliases = own->aliases;
      policy.is_pinned = policy.is_pinned || own->is_pinned;
      if (own->idle_minutes) policy.idle_limit = std::chrono::minutes(*own->idle_minutes);
    }
    listed.push_back({place.location.name, std::move(policy)});
  }
  return listed;
}

// A context that is set for all is the most that a model may have; one of its own must fit it.
service::Settings ModelHost::settings_of(const Place& place, uint32_t own_context) const {
  service::Settings settings = settings_;
  if (place.settings != nullptr && place.settings->context != 0) {
    settings.context = place.settings->context;
  } else if (!place.is_default) {
    settings.context = std::min(settings.context, own_context);
  }
  return settings;
}

service::ModelFacts ModelHost::facts(const std::string& name) const {
  const auto place = find(name);
  if (!place) {
    service::ModelFacts facts;
    facts.problem = place.error();
    return facts;
  }
  service::ModelFacts facts = facts_.facts(place->location, settings_.default_chat_template);
  const uint32_t context = settings_of(*place, facts.context_length).context;
  if (context != 0) facts.context_length = context;
  return facts;
}

Result<service::ModelLocation> ModelHost::locate(const std::string& name) const {
  MARU_ASSIGN_OR_RETURN(Place place, find(name));
  return std::move(place.location);
}

Result<service::MemoryPlan> ModelHost::plan(const std::string& name, const MemoryLimits& limits) {
  MARU_ASSIGN_OR_RETURN(const Place place, find(name));
  const service::ModelFacts facts = facts_.facts(place.location, settings_.default_chat_template);
  if (!facts.can_complete && !facts.problem.message.empty()) return facts.problem;
  MARU_ASSIGN_OR_RETURN(const models::ModelInfo info, read_model_info(place.location));
  const service::Settings settings = settings_of(place, info.context_length);
  MARU_ASSIGN_OR_RETURN(const models::MemoryEstimate need,
                        estimate_load(place.location, info, settings, engine_step(settings)));
  return service::plan_memory(
      need, {settings.context, info.context_length, uint64_t{settings.kv_memory_mib} << 20},
      limits);
}

Status ModelHost::add_draft(const Place& place, const MemoryLimits& limits,
                            const text::Tokenizer& tokenizer, service::MemoryPlan& plan,
                            engine::LocalModel& model, Packing& packing) {
  if (settings_.draft_model.empty() || !place.is_default) return {};
  MemoryLimits left = limits;
  left.available_bytes -= std::min(left.available_bytes, plan.total_bytes);
  MARU_ASSIGN_OR_RETURN(const LoadedModel draft, load_draft_model(settings_, *load_pool_, tokenizer,
                                                                  plan.context_length, left));
  MARU_ASSIGN_OR_RETURN(
      model.drafter, engine::Drafter::create(
                         engine::make_model_runner(draft.model, pool_, engine::Drafter::kCatchUp),
                         draft.plan.context_length, engine::LocalEngineOptions{}.clock));
  plan.total_bytes += draft.plan.total_bytes;
  packing.draft = std::make_unique<PackingTask>(draft.model);
  return {};
}

Result<service::ModelLoader::Loaded> ModelHost::load(const std::string& name,
                                                     const MemoryLimits& limits) {
  MARU_ASSIGN_OR_RETURN(const Place place, find(name));
  MARU_ASSIGN_OR_RETURN(const models::ModelInfo info, read_model_info(place.location));
  const service::Settings settings = settings_of(place, info.context_length);
  if (load_pool_ == nullptr) {
    // The engine's pool has one caller, its thread. Threads take over the niceness of this one.
    ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kLoadNiceness);
    load_pool_ = std::make_unique<ThreadPool>(pool_.size());
  }
  const StepSize step = engine_step(settings);
  // Neither needs the other.
  auto text_loading = std::async(std::launch::async, [&] {
    return service::load_model_text(place.location, settings.default_chat_template);
  });
  auto loaded = load_model(place.location, settings, *load_pool_, step, limits);
  auto text = text_loading.get();
  if (!loaded) return std::move(loaded).error();
  if (!text) return std::move(text).error();
  MARU_RETURN_IF_ERROR(
      service::check_vocabulary(place.location, *text->tokenizer, info.vocab_size));

  Loaded out;
  out.plan = loaded->plan;
  const uint32_t context_length = loaded->plan.context_length;
  engine::LocalModel model;
  model.name = name;
  model.kv_bytes = std::max(loaded->plan.kv_pool_bytes,
                            service::kv_page_bytes(loaded->model->kv_layout(), context_length,
                                                   engine::SchedulerOptions{}.max_chunk));
  out.plan.total_bytes += model.kv_bytes - loaded->plan.kv_pool_bytes;
  out.plan.kv_pool_bytes = model.kv_bytes;
  if (prefixes_ == Prefixes::kOnDisk) model.store = open_prefix_store(settings, *loaded);
  model.runner = engine::make_model_runner(loaded->model, pool_, step.n_tokens);
  Packing packing;
  MARU_RETURN_IF_ERROR(add_draft(place, limits, *text->tokenizer, out.plan, model, packing));
  MARU_RETURN_IF_ERROR(engine_.add_model(std::move(model)));
  packing.model = std::make_unique<PackingTask>(loaded->model);
  packings_[name] = std::move(packing);

  out.model.name = name;
  out.model.context_length = context_length;
  out.model.tokenizer = std::move(text->tokenizer);
  out.model.chat_template = std::move(text->chat_template);
  out.model.end_tokens = std::move(text->end_tokens);
  out.model.created_unix_seconds =
      facts_.facts(place.location, settings_.default_chat_template).created_unix_seconds;
  return out;
}

void ModelHost::unload(const std::string& name) {
  packings_.erase(name);
  const Status status = engine_.remove_model(name);
  if (!status) log_error("unloading {}: {}", name, status.error().to_string());
}

}  // namespace maru::apps
