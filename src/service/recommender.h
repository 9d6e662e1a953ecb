// What 'maru recommend' says, of a running server: which models of the catalogue are good for it,
// and which of them are here.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/memory_limits.h"
#include "service/machine_meter.h"
#include "service/model_manifest.h"
#include "service/model_store.h"
#include "service/recommendation.h"

namespace maru::service {

struct RecommenderOptions {
  size_t n_threads = 0;  // that measure and compute
  std::string isa;       // "avx512vnni"...
  MachineMeterOptions meter;
  std::function<MemoryLimits()> limits;  // room_bytes: for models, were all unloaded
  std::function<std::vector<ModelManifest>()> manifests;  // of the models that are here
};

struct Advice {
  size_t n_threads = 0;
  std::string isa;
  MemoryLimits memory;
  MachineReading reading;
  struct Entry {
    Recommendation recommendation;
    std::string name_here;  // empty: it is not
  };
  std::vector<Entry> entries;
};

// Thread-safe.
class Recommender {
 public:
  explicit Recommender(RecommenderOptions options);

  // Reads manifests; never waits for the measurement. `language`: empty for all models.
  Advice advise(const std::string& language);

 private:
  const RecommenderOptions options_;
  MachineMeter meter_;
};

// Of the store's models those that have a manifest, by the names that the store gives them.
std::vector<ModelManifest> manifests_of(const ModelStore& store);

}  // namespace maru::service
