// What a model's files tell without being loaded, for lists of models.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>

#include "service/model_pool.h"
#include "service/model_store.h"

namespace maru::service {

// Reads configuration, tensor directory and chat template. What is wrong with the model is in
// ModelFacts::problem. `default_template`: as load_model_text().
ModelFacts read_model_facts(const ModelLocation& location, const std::string& default_template);

// Remembers them until a file changes. Thread-safe.
class ModelFactsCache {
 public:
  ModelFacts facts(const ModelLocation& location, const std::string& default_template);

 private:
  struct Known {
    uint64_t state = 0;  // of the files
    ModelFacts facts;
  };
  std::mutex mutex_;
  std::map<std::string, Known> known_;  // by path
};

// Files of a model with their sizes, in order of their names: the GGUF file, or what lies in the
// folder itself.
struct FoundFile {
  std::string path, name;
  uint64_t n_bytes = 0;
  int64_t written_ns = 0;  // unix time
};
std::vector<FoundFile> found_files(const ModelLocation& location);

struct DiskUse {
  uint64_t n_bytes = 0;
  int64_t written_unix_seconds = 0;  // when the newest file was
};
DiskUse disk_use(const ModelLocation& location);

}  // namespace maru::service
