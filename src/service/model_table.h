// What the model pool knows of its models, and the uses that keep them loaded. Of the pool alone.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "service/clock.h"
#include "service/model_pool.h"

namespace maru::service {

using TimePoint = std::chrono::steady_clock::time_point;

struct ModelEntry {
  ModelPolicy policy;
  ModelState state = ModelState::kUnloaded;
  std::shared_ptr<const ServedModel> model;
  MemoryPlan plan;
  uint32_t n_uses = 0;
  bool gives_way = false;  // new requests wait until another model is loaded
  TimePoint last_used;
  int64_t last_used_ms = 0;
  std::vector<ModelPool::Ready> waiting;
  Error last_error;

  bool is_free() const { return state == ModelState::kLoaded && n_uses == 0 && !policy.is_pinned; }
};

// What a use outlives the pool with.
struct ModelTable {
  std::mutex mutex;
  std::condition_variable changed;
  std::map<std::string, ModelEntry> entries;  // of models that were asked for
  uint64_t n_freed = 0;                       // times that a last use ended
  std::function<TimePoint()> clock;

  void release(const std::string& name) {
    {
      const std::lock_guard lock(mutex);
      ModelEntry& entry = entries.at(name);
      --entry.n_uses;
      entry.last_used = clock();
      entry.last_used_ms = unix_milliseconds();
      if (entry.n_uses > 0) return;
      ++n_freed;
    }
    changed.notify_all();
  }
};

struct HeldModel {
  std::shared_ptr<ModelTable> table;
  std::shared_ptr<const ServedModel> model;

  HeldModel(std::shared_ptr<ModelTable> a_table, std::shared_ptr<const ServedModel> a_model)
      : table(std::move(a_table)), model(std::move(a_model)) {}
  HeldModel(const HeldModel&) = delete;
  HeldModel& operator=(const HeldModel&) = delete;
  ~HeldModel() { table->release(model->name); }
};

}  // namespace maru::service
