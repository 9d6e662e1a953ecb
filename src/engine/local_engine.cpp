#include "engine/local_engine.h"

#include <fmt/format.h>

#include <algorithm>

namespace maru::engine {
namespace {

// Between looks at what the disk has taken while nothing else is to be done.
constexpr std::chrono::milliseconds kSavePause{5};

}  // namespace

Result<std::unique_ptr<LocalEngine>> LocalEngine::create(std::vector<LocalModel> models,
                                                         LocalEngineOptions options) {
  std::unique_ptr<LocalEngine> engine(new LocalEngine(std::move(options)));
  for (LocalModel& model : models) MARU_RETURN_IF_ERROR(engine->add_model(std::move(model)));
  return engine;
}

LocalEngine::LocalEngine(LocalEngineOptions options) : options_(std::move(options)) {
  thread_ = std::thread([this] { serve(); });
}

LocalEngine::~LocalEngine() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

Status LocalEngine::add_model(LocalModel model) {
  MARU_ASSIGN_OR_RETURN(std::unique_ptr<ModelLoop> loop,
                        ModelLoop::create(model.name, std::move(model.runner), model.kv_bytes,
                                          options_.scheduler, options_.clock));
  if (model.store != nullptr) loop->set_store(std::move(model.store));
  if (model.drafter != nullptr) MARU_RETURN_IF_ERROR(loop->set_drafter(std::move(model.drafter)));
  {
    const std::lock_guard lock(mutex_);
    const bool is_known = std::any_of(loops_.begin(), loops_.end(), [&](const Loop& other) {
      return other->model().name == model.name;
    });
    if (is_known) {
      return Error{ErrorCode::kInvalidArgument,
                   fmt::format("two models are named '{}'", model.name), "give each its own name"};
    }
    loop->add_stats(stats_);
    loops_.push_back(std::move(loop));
  }
  return {};
}

Status LocalEngine::remove_model(const std::string& name) {
  Loop loop;
  std::future<void> is_out;
  {
    const std::lock_guard lock(mutex_);
    const auto found = std::find_if(loops_.begin(), loops_.end(), [&](const Loop& candidate) {
      return candidate->model().name == name;
    });
    if (found == loops_.end()) {
      return Error{ErrorCode::kNotFound, fmt::format("no model '{}'", name),
                   "ask for the list of models", "model"};
    }
    loop = *found;
    loops_.erase(found);
    is_out = removals_.emplace_back(Removal{loop, {}}).is_out.get_future();
  }
  wake_.notify_one();
  is_out.wait();
  // The engine's thread has let go of it: what is slow is done here.
  loop->flush(std::chrono::steady_clock::now() + options_.flush_grace);
  return {};
}

LocalEngine::Loop LocalEngine::find_loop(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  for (const Loop& loop : loops_) {
    if (loop->model().name == name) return loop;
  }
  return nullptr;
}

Status LocalEngine::submit(Request request, EventHandler handler) {
  Loop loop = find_loop(request.model);
  if (loop == nullptr) {
    return Error{ErrorCode::kNotFound, fmt::format("no model '{}'", request.model),
                 "ask for the list of models", "model"};
  }
  MARU_RETURN_IF_ERROR(loop->check(request));

  const RequestId id = request.id;
  EventHandler forgetting = [this, id, handler = std::move(handler)](const Event& event) {
    // Before the caller hears of the end, so that it may use the id again.
    if (event.kind == EventKind::kFinished || event.kind == EventKind::kFailed) forget(id);
    handler(event);
  };
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return Error{ErrorCode::kUnavailable, "the engine is shutting down"};
    if (live_.contains(id)) {
      return Error{ErrorCode::kInvalidArgument, fmt::format("request id {} is in use", id),
                   "use a new id for each request", "id"};
    }
    if (std::find(loops_.begin(), loops_.end(), loop) == loops_.end()) {
      return Error{ErrorCode::kUnavailable,
                   fmt::format("the model '{}' was taken out just now", request.model),
                   "try again"};
    }
    if (stats_.n_waiting + inbox_.size() >= options_.max_waiting) {
      return Error{ErrorCode::kRateLimited,
                   fmt::format("{} requests wait already", options_.max_waiting),
                   "try again in a moment", "", Reason{"server_busy"}};
    }
    live_.emplace(id, false);
    inbox_.push_back({std::move(loop), std::move(request), std::move(forgetting)});
  }
  wake_.notify_one();
  return {};
}

void LocalEngine::cancel(RequestId id) {
  {
    const std::lock_guard lock(mutex_);
    const auto it = live_.find(id);
    if (it == live_.end() || it->second) return;
    it->second = true;  // once is enough: the list of cancels stays as short as that of requests
    cancels_.push_back(id);
  }
  wake_.notify_one();
}

void LocalEngine::forget(RequestId id) {
  const std::lock_guard lock(mutex_);
  live_.erase(id);
  std::erase(cancels_, id);  // a later request may bear the same id
}

std::vector<EngineModel> LocalEngine::models() const {
  const std::lock_guard lock(mutex_);
  std::vector<EngineModel> models;
  for (const auto& loop : loops_) models.push_back(loop->model());
  return models;
}

EngineStats LocalEngine::stats() const {
  const std::lock_guard lock(mutex_);
  EngineStats stats = stats_;
  stats.n_waiting += inbox_.size();
  return stats;
}

void LocalEngine::serve() {
  while (take_inbox()) {
    for (const Loop& loop : stepped_) {
      const bool beside_streams =
          std::any_of(stepped_.begin(), stepped_.end(),
                      [&](const Loop& other) { return other != loop && other->has_streams(); });
      loop->step(beside_streams);
    }
  }
  for (const Loop& loop : stepped_) loop->cancel_all();
  const auto deadline = std::chrono::steady_clock::now() + options_.flush_grace;
  for (const Loop& loop : stepped_) loop->flush(deadline);
}

// Waits for something to do, updates the figures and hands the inbox over. False at the end.
bool LocalEngine::take_inbox() {
  std::vector<Submission> submissions;
  std::vector<RequestId> cancels;
  std::vector<Removal> removals;
  bool is_stopping = false;
  const auto any = [this](bool (ModelLoop::*test)() const) {
    return std::any_of(stepped_.begin(), stepped_.end(),
                       [test](const Loop& loop) { return (loop.get()->*test)(); });
  };
  const bool has_work = any(&ModelLoop::has_work), has_unsaved = any(&ModelLoop::has_unsaved);
  EngineStats stats = removed_;
  for (const Loop& loop : stepped_) loop->add_stats(stats);
  {
    std::unique_lock lock(mutex_);
    for (const Loop& loop : loops_) {
      const bool is_new = std::find(stepped_.begin(), stepped_.end(), loop) == stepped_.end();
      if (is_new) loop->add_stats(stats);
    }
    stats_ = stats;
    const auto is_called = [&] {
      return has_work || stopping_ || !inbox_.empty() || !cancels_.empty() || !removals_.empty();
    };
    if (has_unsaved) {
      wake_.wait_for(lock, kSavePause, is_called);
    } else {
      wake_.wait(lock, is_called);
    }
    submissions.swap(inbox_);
    cancels.swap(cancels_);
    removals.swap(removals_);
    stepped_.assign(loops_.begin(), loops_.end());
    stats_.n_waiting += submissions.size();
    is_stopping = stopping_;
  }
  for (Submission& s : submissions) s.loop->add(std::move(s.request), std::move(s.handler));
  submissions.clear();
  for (const RequestId id : cancels) {
    for (const Loop& loop : stepped_) loop->cancel(id);
  }
  for (Removal& removal : removals) {
    take_out(removal.loop);
    removal.loop.reset();  // who waits is the one who frees it
    removal.is_out.set_value();
  }
  return !is_stopping;
}

// Ends what runs on it; its counters stay.
void LocalEngine::take_out(const Loop& loop) {
  loop->cancel_all();
  loop->add_stats(removed_);
  removed_.kv_bytes_total = removed_.kv_bytes_used = removed_.kv_bytes_cached = 0;
  removed_.disk_bytes = 0;
}

}  // namespace maru::engine
