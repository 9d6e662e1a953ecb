// Brings a model into the data folder: from a hub, or from a folder or file of this machine (a USB
// stick, say). Whatever happens, a model is there whole, with its manifest, or not at all.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/result.h"
#include "service/hub_client.h"
#include "service/model_manifest.h"

namespace maru::service {

struct PullProgress {
  enum class Stage { kWaiting, kAsking, kFetching, kChecking, kCopying };
  Stage stage = Stage::kAsking;
  std::string file;                  // that is being worked on
  uint64_t n_done = 0, n_total = 0;  // bytes of all files
  uint64_t n_resumed = 0;            // of n_done: what an earlier run had left
};

struct PullCalls {
  std::function<void(const PullProgress&)> on_progress;  // by one thread at a time
  std::function<bool()> should_stop;                     // asked from several threads
};

struct PullWish {
  std::string models_folder;
  std::string name;  // of the model here; empty: as the source calls it
  FileWish files;
};

struct Pulled {
  ModelManifest manifest;
  std::string path;
  bool was_there = false;  // the same files already were; nothing was fetched
};

// Errors: those of parse_hub_name, HubClient and ModelStaging; kConflict (another model has the
// name).
Result<Pulled> pull_from_hub(const HubClient& hub, const HubName& name, const PullWish& wish,
                             const PullCalls& calls);

// `path`: a GGUF file, a Hugging Face folder, or a folder of Maru's with a manifest, which is held
// to it. Links are followed only at `path` itself. Errors: those of ModelStaging; kCorrupt.
Result<Pulled> pull_from_disk(const std::string& path, const PullWish& wish,
                              const PullCalls& calls);

}  // namespace maru::service
