#include "service/model_pool.h"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <future>
#include <map>
#include <mutex>
#include <thread>
#include <tuple>
#include <utility>

#include "base/log.h"
#include "service/clock.h"
#include "service/model_table.h"

namespace maru::service {
namespace {

// Other programs want memory when less than one part in this many is left.
constexpr uint64_t kPressureShare = 32;

Error closed_error() {
  return {ErrorCode::kUnavailable, "the server is stopping", "try again in a moment", "model",
          Reason{"server_stopping"}};
}

bool is_short(const MemoryLimits& limits) {
  return limits.available_bytes < limits.total_bytes / kPressureShare;
}

Error in_use(const std::string& name, const ModelEntry& entry) {
  return {ErrorCode::kConflict,
          fmt::format("{} requests run on the model '{}'", entry.n_uses, name),
          "try again when they have ended", "model",
          Reason{"model_in_use", {{"model", name}, {"n", entry.n_uses}}}};
}

Error unknown_model(const std::string& name) {
  return {ErrorCode::kNotFound, fmt::format("the model '{}' is not served here", name),
          "GET /v1/models lists what is", "model", Reason{"model_unknown", {{"model", name}}}};
}

}  // namespace

const char* model_state_name(ModelState state) {
  switch (state) {
    case ModelState::kUnloaded: return "unloaded";
    case ModelState::kLoading: return "loading";
    case ModelState::kLoaded: break;
  }
  return "loaded";
}

struct ModelPool::Impl {
  const std::unique_ptr<ModelLoader> loader;  // null: the models are there for good
  const ModelPoolOptions options;
  const std::shared_ptr<ModelTable> table = std::make_shared<ModelTable>();
  std::vector<std::string> fixed;  // their names

  // Guarded by table->mutex.
  std::deque<std::string> to_load;
  struct Unload {
    std::string name;
    std::promise<Status> done;
  };
  std::deque<Unload> to_unload;
  size_t n_waiting = 0;
  bool is_closed = false;

  std::thread thread;

  Impl(std::unique_ptr<ModelLoader> a_loader, ModelPoolOptions some_options)
      : loader(std::move(a_loader)), options(std::move(some_options)) {
    table->clock = options.clock;
  }

  ModelUse make_use(ModelEntry& entry) const;
  void serve();
  void load(const std::string& name);
  Result<ModelLoader::Loaded> load_guarded(const std::string& name, const MemoryLimits& limits);
  Result<MemoryLimits> make_room(const std::string& name);
  Result<MemoryLimits> wait_for_room(const std::string& name);
  void hold_back(const std::vector<std::string>& names);
  void let_go_on();
  struct Room;
  Room find_room(const std::string& name);
  bool take_out(const std::vector<std::string>& names);
  Status unload_now(const std::string& name);
  void unload_as_asked();
  void look_after();
  void finish(const std::string& name, Result<ModelLoader::Loaded> outcome);
};

// With table->mutex held.
ModelUse ModelPool::Impl::make_use(ModelEntry& entry) const {
  ++entry.n_uses;
  entry.last_used = options.clock();
  entry.last_used_ms = unix_milliseconds();
  auto use = std::make_shared<HeldModel>(table, entry.model);
  const ServedModel* const model = use->model.get();
  return {std::move(use), model};
}

void ModelPool::Impl::serve() {
  std::unique_lock lock(table->mutex);
  while (!is_closed) {
    table->changed.wait_for(lock, options.tick,
                            [&] { return is_closed || !to_load.empty() || !to_unload.empty(); });
    if (is_closed) break;
    if (!to_unload.empty()) {
      lock.unlock();
      unload_as_asked();
    } else if (!to_load.empty()) {
      const std::string name = std::move(to_load.front());
      to_load.pop_front();
      lock.unlock();
      load(name);
    } else {
      lock.unlock();
      look_after();
    }
    lock.lock();
  }
  for (Unload& left : to_unload) left.done.set_value(closed_error());
  to_unload.clear();
  std::vector<Ready> left;
  std::vector<std::string> loaded;
  for (auto& [name, entry] : table->entries) {
    std::move(entry.waiting.begin(), entry.waiting.end(), std::back_inserter(left));
    entry.waiting.clear();
    if (entry.state == ModelState::kLoaded) loaded.push_back(name);
    entry.state = ModelState::kUnloaded;
  }
  lock.unlock();
  for (const Ready& ready : left) ready(closed_error());
  for (const std::string& name : loaded) loader->unload(name);
}

void ModelPool::Impl::load(const std::string& name) {
  auto limits = make_room(name);
  if (!limits) return finish(name, std::move(limits).error());
  const auto begin = std::chrono::steady_clock::now();
  auto loaded = load_guarded(name, *limits);
  if (loaded && options.logs_loads) {
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
    log_info("loaded model {}: {} planned, context {}, after {:.2f} s", name,
             format_bytes(loaded->plan.total_bytes), loaded->plan.context_length, taken.count());
  } else if (!loaded && options.logs_loads) {
    log_warning("model {} can't be loaded: {}", name, loaded.error().to_string());
  }
  finish(name, std::move(loaded));
}

void ModelPool::Impl::finish(const std::string& name, Result<ModelLoader::Loaded> outcome) {
  std::vector<Ready> waiting;
  std::vector<Result<ModelUse>> answers;
  {
    const std::lock_guard lock(table->mutex);
    ModelEntry& entry = table->entries.at(name);
    waiting.swap(entry.waiting);
    n_waiting -= waiting.size();
    if (outcome) {
      entry.state = ModelState::kLoaded;
      entry.plan = outcome->plan;
      entry.model = std::make_shared<const ServedModel>(std::move(outcome->model));
      entry.last_error = {};
      entry.last_used = options.clock();
    } else {
      entry.state = ModelState::kUnloaded;
      entry.last_error = outcome.error();
    }
    for (size_t i = 0; i < waiting.size(); ++i) {
      answers.push_back(outcome ? Result<ModelUse>(make_use(entry)) : outcome.error());
    }
  }
  for (size_t i = 0; i < waiting.size(); ++i) waiting[i](std::move(answers[i]));
}

// The pool's thread outlives a load that no memory or no thread was left for.
Result<ModelLoader::Loaded> ModelPool::Impl::load_guarded(const std::string& name,
                                                          const MemoryLimits& limits) {
  try {
    return loader->load(name, limits);
  } catch (const std::exception& e) {
    return Error{ErrorCode::kUnavailable, fmt::format("loading '{}' failed: {}", name, e.what()),
                 "the machine lacks memory or threads; try again later", "model",
                 Reason{"model_load_failed", {{"model", name}}}};
  }
}

// Where the memory for a load can come from.
struct ModelPool::Impl::Room {
  Result<MemoryLimits> limits = Error{};  // that the load may use, after `victims` are out
  std::vector<std::string> victims;
  std::vector<std::string> busy;  // it would fit if the requests of these ended
};

ModelPool::Impl::Room ModelPool::Impl::find_room(const std::string& name) {
  struct Candidate {
    std::string name;
    uint64_t bytes;
    bool is_default, gives_way;
    TimePoint last_used;
  };
  uint64_t planned = 0;
  std::vector<Candidate> free, busy;
  std::string holders;
  {
    const std::lock_guard lock(table->mutex);
    for (const auto& [other, entry] : table->entries) {
      if (entry.state != ModelState::kLoaded) continue;
      planned += entry.plan.total_bytes;
      const Candidate candidate{other, entry.plan.total_bytes, entry.policy.is_default,
                                entry.gives_way, entry.last_used};
      if (entry.is_free()) {
        free.push_back(candidate);
        continue;
      }
      if (!entry.policy.is_pinned) busy.push_back(candidate);
      holders += fmt::format("{}{} {} ({})", holders.empty() ? "" : ", ", other,
                             format_bytes(entry.plan.total_bytes),
                             entry.policy.is_pinned ? "pinned" : "in use");
    }
  }
  const auto goes_first = [](const Candidate& a, const Candidate& b) {
    return std::tuple(!a.gives_way, a.is_default, a.last_used) <
           std::tuple(!b.gives_way, b.is_default, b.last_used);
  };
  std::sort(free.begin(), free.end(), goes_first);
  std::sort(busy.begin(), busy.end(), goes_first);
  MemoryLimits limits = options.limits();
  // What is planned counts, not what is touched so far.
  const auto within = [&](uint64_t still_planned) {
    MemoryLimits left = limits;
    left.available_bytes =
        limits.room_bytes > still_planned ? limits.room_bytes - still_planned : 0;
    return left;
  };
  Room room;
  for (size_t n_out = 0;; ++n_out) {
    const MemoryLimits left = within(planned);
    const auto plan = loader->plan(name, left);
    if (plan) {
      room.limits = left;
      return room;
    }
    if (plan.error().code != ErrorCode::kTooLarge || n_out == free.size()) {
      room.limits = plan.error();
      break;
    }
    planned -= free[n_out].bytes;
    room.victims.push_back(free[n_out].name);
  }
  room.victims.clear();
  if (room.limits.error().code != ErrorCode::kTooLarge) return room;
  bool suffices = false;
  for (const Candidate& one : busy) {
    planned -= one.bytes;
    room.busy.push_back(one.name);
    suffices = loader->plan(name, within(planned)).has_value();
    if (suffices) break;
  }
  if (!suffices) room.busy.clear();
  if (!holders.empty()) room.limits.error().message += "; other models hold " + holders;
  return room;
}

// Unloads what has to go, or waits for requests to end. Errors: kTooLarge, kUnavailable.
Result<MemoryLimits> ModelPool::Impl::make_room(const std::string& name) {
  auto limits = wait_for_room(name);
  let_go_on();
  return limits;
}

Result<MemoryLimits> ModelPool::Impl::wait_for_room(const std::string& name) {
  const auto begin = std::chrono::steady_clock::now();
  const auto deadline = begin + options.patience;
  const auto turn = std::min(begin + options.turn, deadline);
  while (true) {
    uint64_t seen = 0;
    {
      const std::lock_guard lock(table->mutex);
      seen = table->n_freed;
    }
    Room room = find_room(name);
    if (room.limits) {
      if (take_out(room.victims)) return room.limits;
      continue;
    }
    if (room.busy.empty()) return room.limits.error();
    const bool is_our_turn = std::chrono::steady_clock::now() >= turn;
    if (is_our_turn) hold_back(room.busy);
    std::unique_lock lock(table->mutex);
    if (is_closed) return closed_error();
    const auto has_news = [&] { return is_closed || table->n_freed != seen || !to_unload.empty(); };
    if (!table->changed.wait_until(lock, is_our_turn ? deadline : turn, has_news)) {
      if (!is_our_turn) continue;
      return Error{ErrorCode::kUnavailable, room.limits.error().message,
                   "models that answer requests are not unloaded; try again later", "model",
                   Reason{"memory_in_use", {{"model", name}}}};
    }
    lock.unlock();
    unload_as_asked();
  }
}

void ModelPool::Impl::hold_back(const std::vector<std::string>& names) {
  const std::lock_guard lock(table->mutex);
  for (const std::string& name : names) table->entries.at(name).gives_way = true;
}

// Serves who was held back, or has the model loaded again that had to go.
void ModelPool::Impl::let_go_on() {
  std::vector<std::pair<Ready, ModelUse>> served;
  {
    const std::lock_guard lock(table->mutex);
    for (auto& [name, entry] : table->entries) {
      if (!std::exchange(entry.gives_way, false) || entry.waiting.empty()) continue;
      if (entry.state == ModelState::kLoaded) {
        n_waiting -= entry.waiting.size();
        for (Ready& ready : entry.waiting) served.emplace_back(std::move(ready), make_use(entry));
        entry.waiting.clear();
      } else if (entry.state == ModelState::kUnloaded) {
        entry.state = ModelState::kLoading;
        to_load.push_back(name);
      }
    }
  }
  for (auto& [ready, use] : served) ready(std::move(use));
}

// False if one of them is used meanwhile: none further is taken out then.
bool ModelPool::Impl::take_out(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (!unload_now(name)) return false;
  }
  return true;
}

// On the pool's thread.
Status ModelPool::Impl::unload_now(const std::string& name) {
  std::shared_ptr<const ServedModel> model;
  {
    const std::lock_guard lock(table->mutex);
    const auto found = table->entries.find(name);
    if (found == table->entries.end() || found->second.state != ModelState::kLoaded) return {};
    ModelEntry& entry = found->second;
    if (entry.n_uses > 0) return in_use(name, entry);
    entry.state = ModelState::kUnloaded;
    model.swap(entry.model);
  }
  model.reset();
  loader->unload(name);
  if (options.logs_loads) log_info("unloaded model {}", name);
  return {};
}

void ModelPool::Impl::unload_as_asked() {
  std::deque<Unload> asked;
  {
    const std::lock_guard lock(table->mutex);
    asked.swap(to_unload);
  }
  for (Unload& one : asked) one.done.set_value(unload_now(one.name));
}

// Idle models go, and one more each time while other programs need memory.
void ModelPool::Impl::look_after() {
  std::vector<std::string> idle;
  std::string oldest_name;
  {
    const std::lock_guard lock(table->mutex);
    const TimePoint now = options.clock();
    TimePoint oldest = TimePoint::max();
    for (const auto& [name, entry] : table->entries) {
      if (!entry.is_free() || entry.policy.is_default) continue;
      const auto limit = entry.policy.idle_limit;
      if (limit.count() > 0 && now - entry.last_used >= limit) idle.push_back(name);
      if (entry.last_used >= oldest) continue;
      oldest = entry.last_used;
      oldest_name = name;
    }
  }
  if (idle.empty() && !oldest_name.empty() && is_short(options.limits())) {
    idle.push_back(oldest_name);
  }
  take_out(idle);
}

ModelPool::ModelPool(std::unique_ptr<ModelLoader> loader, ModelPoolOptions options)
    : impl_(std::make_shared<Impl>(std::move(loader), std::move(options))) {
  impl_->thread = std::thread([impl = impl_.get()] { impl->serve(); });
}

ModelPool::ModelPool(std::vector<ServedModel> models)
    : impl_(std::make_shared<Impl>(nullptr, ModelPoolOptions{})) {
  for (ServedModel& model : models) {
    impl_->fixed.push_back(model.name);
    ModelEntry& entry = impl_->table->entries[model.name];
    entry.policy.is_pinned = true;
    entry.policy.is_default = impl_->fixed.size() == 1;
    entry.state = ModelState::kLoaded;
    entry.plan.context_length = model.context_length;
    entry.model = std::make_shared<const ServedModel>(std::move(model));
  }
}

ModelPool::~ModelPool() { close(); }

void ModelPool::close() {
  {
    const std::lock_guard lock(impl_->table->mutex);
    impl_->is_closed = true;
  }
  impl_->table->changed.notify_all();
  if (impl_->thread.joinable()) impl_->thread.join();
}

std::optional<std::string> ModelPool::resolve(const std::string& name_or_alias) const {
  if (!impl_->loader) {
    if (name_or_alias.empty() && impl_->fixed.size() == 1) return impl_->fixed.front();
    const bool is_there =
        std::find(impl_->fixed.begin(), impl_->fixed.end(), name_or_alias) != impl_->fixed.end();
    return is_there ? std::optional(name_or_alias) : std::nullopt;
  }
  const auto listed = impl_->loader->list();
  if (name_or_alias.empty()) {
    for (const auto& one : listed) {
      if (one.policy.is_default || listed.size() == 1) return one.name;
    }
    return std::nullopt;
  }
  for (const auto& one : listed) {
    if (one.name == name_or_alias) return one.name;
  }
  for (const auto& one : listed) {
    const auto& aliases = one.policy.aliases;
    if (std::find(aliases.begin(), aliases.end(), name_or_alias) != aliases.end()) return one.name;
  }
  return std::nullopt;
}

ModelUse ModelPool::use(const std::string& name) {
  const std::lock_guard lock(impl_->table->mutex);
  const auto found = impl_->table->entries.find(name);
  if (found == impl_->table->entries.end() || found->second.state != ModelState::kLoaded) {
    return nullptr;
  }
  return impl_->make_use(found->second);
}

ModelUse ModelPool::admit(const std::string& name) {
  const std::lock_guard lock(impl_->table->mutex);
  const auto found = impl_->table->entries.find(name);
  const bool is_open = found != impl_->table->entries.end() &&
                       found->second.state == ModelState::kLoaded && !found->second.gives_way;
  return is_open ? impl_->make_use(found->second) : nullptr;
}

Error ModelPool::last_error(const std::string& name) const {
  const std::lock_guard lock(impl_->table->mutex);
  const auto found = impl_->table->entries.find(name);
  if (found == impl_->table->entries.end()) return {};
  return found->second.state == ModelState::kUnloaded ? found->second.last_error : Error{};
}

void ModelPool::open(const std::string& name, Ready ready) {
  if (ModelUse loaded = admit(name)) return ready(std::move(loaded));
  std::optional<ModelPolicy> policy;
  if (impl_->loader) {
    for (auto& one : impl_->loader->list()) {
      if (one.name == name) policy = std::move(one.policy);
    }
  }
  if (!policy) return ready(unknown_model(name));
  Result<ModelUse> refusal = Error{};
  {
    const std::lock_guard lock(impl_->table->mutex);
    ModelEntry& entry = impl_->table->entries[name];
    if (impl_->is_closed) {
      refusal = closed_error();
    } else if (entry.state == ModelState::kLoaded && !entry.gives_way) {
      refusal = impl_->make_use(entry);
    } else if (impl_->n_waiting >= impl_->options.max_waiting) {
      refusal = Error{ErrorCode::kRateLimited,
                      fmt::format("{} requests wait for models already", impl_->n_waiting),
                      "try again in a moment", "", Reason{"server_busy"}};
    } else {
      ++impl_->n_waiting;
      entry.waiting.push_back(std::move(ready));
      entry.policy = *std::move(policy);
      if (entry.state == ModelState::kUnloaded) {
        entry.state = ModelState::kLoading;
        impl_->to_load.push_back(name);
        impl_->table->changed.notify_all();
      }
      return;
    }
  }
  ready(std::move(refusal));
}

Result<ModelUse> ModelPool::open_and_wait(const std::string& name) {
  const auto outcome = std::make_shared<std::promise<Result<ModelUse>>>();
  auto waiting = outcome->get_future();
  open(name, [outcome](Result<ModelUse> use) { outcome->set_value(std::move(use)); });
  return waiting.get();
}

Status ModelPool::unload(const std::string& name) {
  std::future<Status> done;
  {
    const std::lock_guard lock(impl_->table->mutex);
    if (impl_->is_closed) return closed_error();
    if (!impl_->loader) {
      return Error{ErrorCode::kConflict, fmt::format("the model '{}' is there for good", name), "",
                   "", Reason{"model_fixed", {{"model", name}}}};
    }
    const auto found = impl_->table->entries.find(name);
    if (found == impl_->table->entries.end()) return {};
    if (found->second.n_uses > 0) return in_use(name, found->second);
    done = impl_->to_unload.emplace_back(Impl::Unload{name, {}}).done.get_future();
  }
  impl_->table->changed.notify_all();
  return done.get();
}

std::vector<ModelStatus> ModelPool::list() const {
  std::vector<ModelStatus> all;
  if (impl_->loader) {
    for (auto& one : impl_->loader->list()) {
      ModelStatus status;
      status.name = std::move(one.name);
      status.policy = std::move(one.policy);
      all.push_back(std::move(status));
    }
  } else {
    for (const std::string& name : impl_->fixed) {
      ModelStatus status;
      status.name = name;
      all.push_back(std::move(status));
    }
  }
  const std::lock_guard lock(impl_->table->mutex);
  for (ModelStatus& status : all) {
    const auto found = impl_->table->entries.find(status.name);
    if (found == impl_->table->entries.end()) continue;
    const ModelEntry& entry = found->second;
    status.policy = entry.policy;
    status.state = entry.state;
    if (entry.state == ModelState::kLoaded) status.plan = entry.plan;
    status.n_uses = entry.n_uses;
    status.last_used_ms = entry.last_used_ms;
    status.last_error = entry.last_error;
  }
  return all;
}

Result<ModelLocation> ModelPool::locate(const std::string& name) const {
  if (impl_->loader) return impl_->loader->locate(name);
  return unknown_model(name);
}

ModelFacts ModelPool::facts(const std::string& name) const {
  if (impl_->loader) return impl_->loader->facts(name);
  ModelFacts facts;
  const std::lock_guard lock(impl_->table->mutex);
  const auto found = impl_->table->entries.find(name);
  if (found == impl_->table->entries.end()) return facts;
  const ServedModel& model = *found->second.model;
  facts.context_length = model.context_length;
  facts.can_chat = model.chat_template != nullptr;
  facts.can_complete = true;
  facts.created_unix_seconds = model.created_unix_seconds;
  return facts;
}

}  // namespace maru::service
