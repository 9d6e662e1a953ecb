// The models of this machine as service::ModelPool wants them: found by the settings and in the
// data folder, loaded into the engine.
#pragma once

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "apps/load.h"
#include "apps/packing.h"
#include "engine/local_engine.h"
#include "service/model_facts.h"
#include "service/model_pool.h"

namespace maru::apps {

// Where the prefixes that the engine has computed are kept.
enum class Prefixes { kInMemory, kOnDisk };

// Which models a program serves.
enum class Served { kOne, kAll };

class ModelHost final : public service::ModelLoader {
 public:
  // The default model is `location`; with kAll, those of settings.models and of the data folder
  // come behind it. `engine` and `pool` must outlive it.
  ModelHost(service::Settings settings, service::ModelLocation location, Prefixes prefixes,
            Served served, engine::LocalEngine& engine, ThreadPool& pool);

  // Instead of the settings'. Thread-safe.
  void set_idle_minutes(uint32_t minutes) { idle_minutes_.store(minutes); }

  std::vector<Listed> list() const override;
  service::ModelFacts facts(const std::string& name) const override;
  Result<service::ModelLocation> locate(const std::string& name) const override;
  Result<service::MemoryPlan> plan(const std::string& name, const MemoryLimits& limits) override;
  Result<Loaded> load(const std::string& name, const MemoryLimits& limits) override;
  void unload(const std::string& name) override;

 private:
  struct Place {
    service::ModelLocation location;  // its name is the one that clients use
    const service::ModelSettings* settings = nullptr;
    bool is_default = false;
  };
  struct Packing {
    std::unique_ptr<PackingTask> model, draft;
  };
  using Places = std::shared_ptr<const std::vector<Place>>;
  // All there are, as they were at most a second ago; what lies in the data folder itself, as it is
  // now. Every request asks.
  Places places() const;
  std::vector<Place> read_places() const;
  Result<Place> find(const std::string& name) const;
  service::Settings settings_of(const Place& place, uint32_t own_context) const;
  Status add_draft(const Place& place, const MemoryLimits& limits, const text::Tokenizer& tokenizer,
                   service::MemoryPlan& plan, engine::LocalModel& model, Packing& packing);

  const service::Settings settings_;
  std::atomic<uint32_t> idle_minutes_;
  const service::ModelLocation default_;
  const Prefixes prefixes_;
  const Served served_;
  engine::LocalEngine& engine_;
  ThreadPool& pool_;
  std::unique_ptr<ThreadPool> load_pool_;  // of the pool's thread, which loads
  std::map<std::string, Packing> packings_;
  mutable service::ModelFactsCache facts_;

  struct Seen {
    Places places;
    int64_t folder_written_ns = 0;
    std::chrono::steady_clock::time_point until;
  };
  mutable std::mutex seen_mutex_;
  mutable Seen seen_;
};

}  // namespace maru::apps
