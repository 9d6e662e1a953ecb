// A loaded model: configuration, packed weights and compiled stages. Immutable after load; run()
// may be called by one thread at a time per Workspace.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "kernels/dispatch.h"

namespace maru::models {

// KV rows live in pages of `page_tokens` positions. A group is a set of layers with the same
// lifetime: full attention keeps every page, a window only those that its last positions see.
struct KvGroup {
  uint32_t window = 0;  // 0: full
  uint32_t n_layers = 0;
  size_t bytes_per_token = 0;  // of all its layers, K and V
};
struct KvLayout {
  uint32_t page_tokens = 64;
  std::vector<KvGroup> groups;
  kernels::KvType type = kernels::KvType::kF16;
  size_t page_bytes(size_t group) const { return groups[group].bytes_per_token * page_tokens; }
};

// What `maru info` and the API tell about a model.
struct ModelInfo {
  std::string family;   // "llama", "qwen2", "qwen3", "gemma3"
  std::string name;     // as the file calls itself
  std::string licence;  // as the file states it, or empty
  uint64_t n_parameters = 0;
  uint32_t n_layers = 0, n_heads = 0, n_kv_heads = 0, head_dim = 0, dim = 0;
  uint32_t vocab_size = 0;
  uint32_t context_length = 0;                                 // that the model was made for
  std::vector<std::pair<std::string, uint64_t>> format_bytes;  // block format -> bytes in the file
  uint64_t fingerprint = 0;  // of configuration and tensor directory; part of cache keys
};

// Of products with quantised weights. kHigh quantises what rounding to int8 left over once more
// (kernels/kernel_api.h: QuantiseArgs): nearly the result of float32 rows, for twice the
// arithmetic.
enum class Precision : uint8_t { kStandard, kHigh };

enum class LogitsWanted : uint8_t { kNone, kLast, kAll };

// One entry of a plan: `tokens.size()` tokens of one sequence from first_position on.
struct StepSequence {
  std::span<const int32_t> tokens;
  uint32_t first_position = 0;
  // pages[group][i]: base of the page of positions [i * page_tokens, ...). Null where no position
  // of this step can see it. Pages that this step writes belong to this sequence alone.
  std::vector<std::span<uint8_t* const>> pages;
  LogitsWanted logits = LogitsWanted::kLast;
  float sum_scale = 0.0f;  // of its rows' block sums (kernels/kernel_api.h: SumLogitsArgs)
};

struct LoadOptions {
  kernels::Isa isa = kernels::Isa::kScalar;
  kernels::KvType kv_type = kernels::KvType::kF16;
  Precision precision = Precision::kStandard;
  // Where packed weights are kept between starts (packed_store.h); empty: nowhere.
  std::string packed_folder = {};
  bool fused = true;  // false runs the unfused ops: the oracle of the fused stages
  // Called with an op's name and its result, [rows, width], after every stage of a run; slow, to
  // find wrong logits (docs/howto/debug-wrong-logits.md).
  std::function<void(const char* op, std::span<const float> values, size_t width)> trace = {};
};

// Memory that a load and a context of `n_tokens` will take, from the file's directory alone.
struct MemoryEstimate {
  uint64_t weight_bytes = 0;
  uint64_t work_bytes = 0;          // for `max_rows` rows a step on `n_threads`
  uint64_t kv_bytes_per_token = 0;  // of full groups
  uint64_t kv_fixed_bytes = 0;      // of window groups, per sequence
};

// A model before its weights are loaded (prepared.h).
struct PreparedModel;

// Scratch of one running step; sized once. Not thread-safe.
class Workspace;

class Model {
 public:
  // `path`: a GGUF file or a Hugging Face folder. Errors name the key or tensor and how to mend it.
  static Result<std::unique_ptr<Model>> load(const std::string& path, const LoadOptions& options,
                                             ThreadPool& pool);
  // KV type and precision are the prepared model's.
  static Result<std::unique_ptr<Model>> load(const PreparedModel& prepared,
                                             const LoadOptions& options, ThreadPool& pool);
  // Reads only configuration and tensor directory.
  static Result<ModelInfo> read_info(const std::string& path);
  static Result<MemoryEstimate> estimate_memory(const std::string& path, kernels::KvType kv_type,
                                                Precision precision, size_t max_rows,
                                                size_t n_threads);
  static Result<MemoryEstimate> estimate_memory(const PreparedModel& prepared, size_t max_rows,
                                                size_t n_threads);
  ~Model();

  // Whether finish_packing() has something to do: weights that were packed now are not in
  // LoadOptions::packed_folder yet, or were mapped from there and are too large to be checked
  // before they are used.
  bool has_packing_left() const;
  // Does it; for a thread of its own, while the model runs, once. Ends early once `stop` is set.
  // Errors: kUnavailable and kInvalidArgument (not written; the next start packs again), kCorrupt
  // (the mapped weights are damaged: their file is removed, this model's answers are not to be
  // trusted).
  Status finish_packing(const std::atomic<bool>& stop) const;

  const ModelInfo& info() const;
  const KvLayout& kv_layout() const;

  // Work buffers for steps of at most `max_rows` tokens in all.
  std::unique_ptr<Workspace, void (*)(Workspace*)> make_workspace(size_t max_rows,
                                                                  size_t n_threads) const;

  // Runs one step over all sequences. Token ids must be below vocab_size. Logits rows
  // [n, vocab_size] follow the order of sequences, then of tokens; `logits` has room for all
  // wanted. So has `blocks`, if given, for what is known of each row's blocks,
  // [n, kernels::logit_blocks(vocab_size)]: it is made while the logits are still in the cache.
  void run(std::span<const StepSequence> sequences, ThreadPool& pool, Workspace& workspace,
           float* logits, kernels::LogitBlock* blocks = nullptr) const;

 private:
  struct Impl;
  explicit Model(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace maru::models
