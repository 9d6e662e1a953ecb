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
  if (models.empty()) {
    return Error{ErrorCode::kInvalidArgument, "the engine has no model", "name at least one"};
  }
  std::vector<std::unique_ptr<ModelLoop>> loops;
  for (LocalModel& model : models) {
    const bool is_known = std::any_of(loops.begin(), loops.end(), [&](const auto& loop) {
      return loop->model().name == model.name;
    });
    if (is_known) {
      return Error{ErrorCode::kInvalidArgument,
                   fmt::format("two models are named '{}'", model.name), "give each its own name"};
    }
    MARU_ASSIGN_OR_RETURN(
        auto loop, ModelLoop::create(std::move(model.name), std::move(model.runner), model.kv_bytes,
                                     options.scheduler, options.clock));
    if (model.store != nullptr) loop->set_store(std::move(model.store));
    if (model.drafter != nullptr) {
      MARU_RETURN_IF_ERROR(loop->set_drafter(std::move(model.drafter)));
    }
    loops.push_back(std::move(loop));
  }
  return std::unique_ptr<LocalEngine>(new LocalEngine(std::move(loops), std::move(options)));
}

LocalEngine::LocalEngine(std::vector<std::unique_ptr<ModelLoop>> loops, LocalEngineOptions options)
    : options_(std::move(options)), loops_(std::move(loops)) {
  for (const auto& loop : loops_) loop->add_stats(stats_);
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

Status LocalEngine::submit(Request request, EventHandler handler) {
  const auto loop = std::find_if(loops_.begin(), loops_.end(), [&](const auto& candidate) {
    return candidate->model().name == request.model;
  });
  if (loop == loops_.end()) {
    return Error{ErrorCode::kNotFound, fmt::format("no model '{}'", request.model),
                 "ask for the list of models", "model"};
  }
  MARU_RETURN_IF_ERROR((*loop)->check(request));

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
    if (stats_.n_waiting + inbox_.size() >= options_.max_waiting) {
      return Error{ErrorCode::kRateLimited,
                   fmt::format("{} requests wait already", options_.max_waiting),
                   "try again in a moment"};
    }
    live_.emplace(id, false);
    inbox_.push_back({loop->get(), std::move(request), std::move(forgetting)});
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
    for (const auto& loop : loops_) loop->step();
  }
  for (const auto& loop : loops_) loop->cancel_all();
  const auto deadline = std::chrono::steady_clock::now() + options_.flush_grace;
  for (const auto& loop : loops_) loop->flush(deadline);
}

// Waits for something to do, updates the figures and hands the inbox over. False at the end.
bool LocalEngine::take_inbox() {
  std::vector<Submission> submissions;
  std::vector<RequestId> cancels;
  bool is_stopping = false;
  const bool has_work =
      std::any_of(loops_.begin(), loops_.end(), [](const auto& loop) { return loop->has_work(); });
  const bool has_unsaved = std::any_of(loops_.begin(), loops_.end(),
                                       [](const auto& loop) { return loop->has_unsaved(); });
  EngineStats stats;
  for (const auto& loop : loops_) loop->add_stats(stats);
  {
    std::unique_lock lock(mutex_);
    stats_ = stats;
    const auto is_called = [&] {
      return has_work || stopping_ || !inbox_.empty() || !cancels_.empty();
    };
    if (has_unsaved) {
      wake_.wait_for(lock, kSavePause, is_called);
    } else {
      wake_.wait(lock, is_called);
    }
    submissions.swap(inbox_);
    cancels.swap(cancels_);
    stats_.n_waiting += submissions.size();
    is_stopping = stopping_;
  }
  for (Submission& s : submissions) s.loop->add(std::move(s.request), std::move(s.handler));
  for (const RequestId id : cancels) {
    for (const auto& loop : loops_) loop->cancel(id);
  }
  return !is_stopping;
}

}  // namespace maru::engine
