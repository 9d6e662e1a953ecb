#include "service/model_pool.h"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <future>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "base/log.h"
#include "service/clock.h"

namespace maru::service {
namespace {

using TimePoint = std::chrono::steady_clock::time_point;

// Other programs want memory when less than one part in this many is left.
constexpr uint64_t kPressureShare = 32;

struct Entry {
  ModelPolicy policy;
  ModelState state = ModelState::kUnloaded;
  std::shared_ptr<const ServedModel> model;
  MemoryPlan plan;
  uint32_t n_uses = 0;
  TimePoint last_used;
  int64_t last_used_ms = 0;
  std::vector<ModelPool::Ready> waiting;
  Error last_error;

  bool is_free() const { return state == ModelState::kLoaded && n_uses == 0 && !policy.is_pinned; }
};

// What a use outlives the pool with.
struct Table {
  std::mutex mutex;
  std::condition_variable changed;
  std::map<std::string, Entry> entries;  // of models that were asked for
  uint64_t n_freed = 0;                  // times that a last use ended
  std::function<TimePoint()> clock;

  void release(const std::string& name) {
    {
      const std::lock_guard lock(mutex);
      Entry& entry = entries.at(name);
      --entry.n_uses;
      entry.last_used = clock();
      entry.last_used_ms = unix_milliseconds();
      if (entry.n_uses > 0) return;
      ++n_freed;
    }
    changed.notify_all();
  }
};

struct Use {
  std::shared_ptr<Table> table;
  std::shared_ptr<const ServedModel> model;

  Use(std::shared_ptr<Table> a_table, std::shared_ptr<const ServedModel> a_model)
      : table(std::move(a_table)), model(std::move(a_model)) {}
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;
  ~Use() { table->release(model->name); }
};

Error closed_error() {
  return {ErrorCode::kUnavailable, "the server is stopping", "try again in a moment", "model"};
}

Error unknown_model(const std::string& name) {
  return {ErrorCode::kNotFound, fmt::format("the model '{}' is not served here", name),
          "GET /v1/models lists what is", "model"};
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
  const std::shared_ptr<Table> table = std::make_shared<Table>();
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

  ModelUse make_use(Entry& entry) const;
  void serve();
  void load(const std::string& name);
  Result<MemoryLimits> make_room(const std::string& name);
  struct Room;
  Room find_room(const std::string& name);
  bool take_out(const std::vector<std::string>& names);
  Status unload_now(const std::string& name);
  void unload_as_asked();
  void look_after();
  void finish(const std::string& name, Result<ModelLoader::Loaded> outcome);
};

// With table->mutex held.
ModelUse ModelPool::Impl::make_use(Entry& entry) const {
  ++entry.n_uses;
  entry.last_used = options.clock();
  entry.last_used_ms = unix_milliseconds();
  auto use = std::make_shared<Use>(table, entry.model);
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
  auto loaded = loader->load(name, *limits);
  if (loaded) {
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
    log_info("loaded model {}: {} planned, context {}, after {:.2f} s", name,
             format_bytes(loaded->plan.total_bytes), loaded->plan.context_length, taken.count());
  } else {
    log_warning("model {} can't be loaded: {}", name, loaded.error().to_string());
  }
  finish(name, std::move(loaded));
}

void ModelPool::Impl::finish(const std::string& name, Result<ModelLoader::Loaded> outcome) {
  std::vector<Ready> waiting;
  std::vector<Result<ModelUse>> answers;
  {
    const std::lock_guard lock(table->mutex);
    Entry& entry = table->entries.at(name);
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

// Where the memory for a load can come from.
struct ModelPool::Impl::Room {
  Result<MemoryLimits> limits = Error{};  // that the load may use, after `victims` are out
  std::vector<std::string> victims;
  bool may_come = false;  // it would fit if requests ended that run now
};

ModelPool::Impl::Room ModelPool::Impl::find_room(const std::string& name) {
  struct Candidate {
    std::string name;
    uint64_t bytes;
    bool is_default;
    TimePoint last_used;
  };
  uint64_t planned = 0, busy = 0;
  std::vector<Candidate> free;
  std::string holders;
  {
    const std::lock_guard lock(table->mutex);
    for (const auto& [other, entry] : table->entries) {
      if (entry.state != ModelState::kLoaded) continue;
      planned += entry.plan.total_bytes;
      if (entry.is_free()) {
        free.push_back({other, entry.plan.total_bytes, entry.policy.is_default, entry.last_used});
        continue;
      }
      if (!entry.policy.is_pinned) busy += entry.plan.total_bytes;
      holders += fmt::format("{}{} {} ({})", holders.empty() ? "" : ", ", other,
                             format_bytes(entry.plan.total_bytes),
                             entry.policy.is_pinned ? "pinned" : "in use");
    }
  }
  std::sort(free.begin(), free.end(), [](const Candidate& a, const Candidate& b) {
    return std::pair(a.is_default, a.last_used) < std::pair(b.is_default, b.last_used);
  });
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
  room.may_come = busy > 0 && loader->plan(name, within(planned - busy)).has_value();
  if (!holders.empty()) room.limits.error().message += "; other models hold " + holders;
  return room;
}

// Unloads what has to go, or waits for requests to end. Errors: kTooLarge, kUnavailable.
Result<MemoryLimits> ModelPool::Impl::make_room(const std::string& name) {
  const auto deadline = std::chrono::steady_clock::now() + options.patience;
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
    if (!room.may_come) return room.limits.error();
    std::unique_lock lock(table->mutex);
    if (is_closed) return closed_error();
    const auto has_news = [&] { return is_closed || table->n_freed != seen || !to_unload.empty(); };
    if (!table->changed.wait_until(lock, deadline, has_news)) {
      return Error{ErrorCode::kUnavailable, room.limits.error().message,
                   "models that answer requests are not unloaded; try again later", "model"};
    }
    lock.unlock();
    unload_as_asked();
  }
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
    Entry& entry = found->second;
    if (entry.n_uses > 0) {
      return Error{ErrorCode::kConflict,
                   fmt::format("{} requests run on the model '{}'", entry.n_uses, name),
                   "try again when they have ended", "model"};
    }
    entry.state = ModelState::kUnloaded;
    model.swap(entry.model);
  }
  model.reset();
  loader->unload(name);
  log_info("unloaded model {}", name);
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
  const MemoryLimits limits = options.limits();
  const bool is_short = limits.available_bytes < limits.total_bytes / kPressureShare;
  std::vector<std::string> idle;
  {
    const std::lock_guard lock(table->mutex);
    const TimePoint now = options.clock();
    const Entry* oldest = nullptr;
    std::string oldest_name;
    for (const auto& [name, entry] : table->entries) {
      if (!entry.is_free() || entry.policy.is_default) continue;
      const auto limit = entry.policy.idle_limit;
      if (limit.count() > 0 && now - entry.last_used >= limit) idle.push_back(name);
      if (oldest == nullptr || entry.last_used < oldest->last_used) {
        oldest = &entry;
        oldest_name = name;
      }
    }
    if (is_short && idle.empty() && oldest != nullptr) idle.push_back(oldest_name);
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
    Entry& entry = impl_->table->entries[model.name];
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

void ModelPool::open(const std::string& name, Ready ready) {
  if (ModelUse loaded = use(name)) return ready(std::move(loaded));
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
    Entry& entry = impl_->table->entries[name];
    if (impl_->is_closed) {
      refusal = closed_error();
    } else if (entry.state == ModelState::kLoaded) {
      refusal = impl_->make_use(entry);
    } else if (impl_->n_waiting >= impl_->options.max_waiting) {
      refusal = Error{ErrorCode::kRateLimited,
                      fmt::format("{} requests wait for models already", impl_->n_waiting),
                      "try again in a moment"};
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
      return Error{ErrorCode::kConflict, fmt::format("the model '{}' is there for good", name)};
    }
    const auto found = impl_->table->entries.find(name);
    if (found == impl_->table->entries.end()) return {};
    if (found->second.n_uses > 0) {
      return Error{ErrorCode::kConflict,
                   fmt::format("{} requests run on the model '{}'", found->second.n_uses, name),
                   "try again when they have ended", "model"};
    }
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
    const Entry& entry = found->second;
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
