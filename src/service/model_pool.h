// The models of one server: which there are, which of them are loaded, and who uses them. A model
// is loaded when it is first asked for, by one thread of the pool, while the others go on; memory
// is planned before a load begins, over all that are loaded. Where it does not suffice, models are
// unloaded that nobody uses, the one first that was used longest ago; pinned ones never.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/memory_limits.h"
#include "base/result.h"
#include "service/memory_plan.h"
#include "service/model_store.h"
#include "service/served_model.h"

namespace maru::service {

// How a model is to be kept, by the settings.
struct ModelPolicy {
  std::vector<std::string> aliases;
  bool is_pinned = false;               // never unloaded but by an admin
  bool is_default = false;              // the one that is used when none is named
  std::chrono::minutes idle_limit{60};  // unused for so long, it is unloaded; 0: never
};

// What is known of a model without loading it.
struct ModelFacts {
  std::string family;           // empty: the file does not tell, or it is of none that we know
  uint64_t file_bytes = 0;      // on disk
  uint32_t context_length = 0;  // that one request may use; 0: unknown
  bool can_chat = false, can_complete = false, can_embed = false, can_rerank = false;
  bool can_reason = false, can_call_tools = false;  // by what the chat template mentions
  int64_t created_unix_seconds = 0;                 // when the file was last written
  Error problem = {};                               // why it can't be served; empty: nothing known
};

// Finds, loads and unloads; the pool decides when. list(), facts() and locate() are called by any
// thread, the others by the pool's.
class ModelLoader {
 public:
  virtual ~ModelLoader() = default;
  struct Listed {
    std::string name;
    ModelPolicy policy;
  };
  // What there is now, without opening a model; the default one first. Names are unique.
  virtual std::vector<Listed> list() const = 0;
  virtual ModelFacts facts(const std::string& name) const = 0;
  // Errors: kNotFound.
  virtual Result<ModelLocation> locate(const std::string& name) const = 0;
  // What it would take. Errors: those of plan_memory(), and what is wrong with the model.
  virtual Result<MemoryPlan> plan(const std::string& name, const MemoryLimits& limits) = 0;
  struct Loaded {
    ServedModel model;
    MemoryPlan plan;
  };
  virtual Result<Loaded> load(const std::string& name, const MemoryLimits& limits) = 0;
  // Gives its memory back.
  virtual void unload(const std::string& name) = 0;
};

enum class ModelState { kUnloaded, kLoading, kLoaded };
const char* model_state_name(ModelState state);  // "unloaded"...

struct ModelStatus {
  std::string name;
  ModelPolicy policy;
  ModelState state = ModelState::kUnloaded;
  MemoryPlan plan;           // kLoaded
  uint32_t n_uses = 0;       // requests and others that keep it loaded
  int64_t last_used_ms = 0;  // unix time; 0: never
  Error last_error = {};     // of the last load, if it failed
};

struct ModelPoolOptions {
  std::function<MemoryLimits()> limits = [] { return read_memory_limits(); };
  std::function<std::chrono::steady_clock::time_point()> clock = std::chrono::steady_clock::now;
  std::chrono::milliseconds tick{1'000};       // between looks at idle models and at memory
  std::chrono::milliseconds patience{60'000};  // of a load, for requests that keep its memory
  // Of a load, before new requests for those models wait too: one that is always used gives way.
  std::chrono::milliseconds turn{30'000};
  size_t max_waiting = 256;  // for loads, in all
  bool logs_loads = true;    // commands of one answer have nothing to say
};

// Thread-safe.
class ModelPool {
 public:
  using Ready = std::function<void(Result<ModelUse>)>;

  ModelPool(std::unique_ptr<ModelLoader> loader, ModelPoolOptions options);
  // Of models that are there for good: all loaded, none to load.
  explicit ModelPool(std::vector<ServedModel> models);
  ~ModelPool();
  ModelPool(const ModelPool&) = delete;
  ModelPool& operator=(const ModelPool&) = delete;

  // Unloads everything; who waits for a model gets kUnavailable. Nothing is loaded afterwards.
  void close();

  // The name of the model that is meant by a name, an alias, or "" (the default one); none if there
  // is no such model.
  std::optional<std::string> resolve(const std::string& name_or_alias) const;
  // A loaded model; null if it is not. Here and below: names as resolve() gives them.
  ModelUse use(const std::string& name);
  // The same for a new request: null too while the model is to give way to one that waits.
  ModelUse admit(const std::string& name);
  // Calls `ready` once, at once if the model is loaded, else on the pool's thread when it is or
  // can't be: it must be quick then and must not be the last to hold the pool. Several calls for
  // one model load it once. Errors: kNotFound, kRateLimited (too many wait), kUnavailable (the
  // memory is used by models that answer, or the pool is closed), kTooLarge (it does not fit, with
  // the counts), those of the load.
  void open(const std::string& name, Ready ready);
  Result<ModelUse> open_and_wait(const std::string& name);
  // Why the last load failed; empty if it did not, or if the model is loading or loaded.
  Error last_error(const std::string& name) const;
  // Errors: kConflict (requests run on it), kUnavailable (closed). A model that is not loaded is
  // left so.
  Status unload(const std::string& name);

  // All there are, the default one first.
  std::vector<ModelStatus> list() const;
  ModelFacts facts(const std::string& name) const;
  // Where its files are. Errors: kNotFound.
  Result<ModelLocation> locate(const std::string& name) const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace maru::service
