#include "models/model.h"

#include <optional>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "models/packed_store.h"
#include "models/prepared.h"
#include "nn/executor.h"

namespace maru::models {

namespace {

// Larger caches are checked while the model already runs: reading gigabytes takes seconds.
constexpr uint64_t kVerifiedAtOnce = uint64_t{256} << 20;

template <class T>
Status drop_value(Result<T> result) {
  if (!result) return std::move(result).error();
  return {};
}

Result<Weights> plan_weights(const PreparedModel& m) {
  return read_weights(m.source, *m.family, m.config, {});
}

}  // namespace

class Workspace {
 public:
  std::unique_ptr<nn::Workspace> buffers;
  std::vector<int32_t> tokens;
  std::vector<uint32_t> positions, picked;
  std::vector<float> sum_scales;
  std::vector<nn::SequenceRows> sequences;
};

struct Model::Impl {
  ModelInfo info;
  KvLayout kv;
  std::optional<PackedStore> store;
  std::optional<tensor::PackedCache> cache;  // outlives the weights, which may be views of it
  bool cache_is_verified = false;
  tensor::PackedOrigin origin;
  std::vector<tensor::PackedPart> parts;  // what the store still lacks
  Weights weights;
  std::unique_ptr<nn::Executor> executor;

  Status map_weights(const PreparedModel& prepared, ThreadPool& pool);
  Status pack_weights(const PreparedModel& prepared, ThreadPool& pool);
};

// Takes the weights from the store.
Status Model::Impl::map_weights(const PreparedModel& m, ThreadPool& pool) {
  MARU_ASSIGN_OR_RETURN(cache, store->find(origin));
  MARU_ASSIGN_OR_RETURN(weights, read_weights(m.source, *m.family, m.config, {.cache = &*cache}));
  cache_is_verified = cache->bytes() <= kVerifiedAtOnce;
  if (cache_is_verified) return cache->verify(pool);
  cache->file().read_ahead();
  return {};
}

Status Model::Impl::pack_weights(const PreparedModel& m, ThreadPool& pool) {
  WeightFeed feed{.pool = &pool};
  if (store) feed.parts = &parts;
  MARU_ASSIGN_OR_RETURN(weights, read_weights(m.source, *m.family, m.config, feed));
  return {};
}

Model::Model(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Model::~Model() = default;
const ModelInfo& Model::info() const { return impl_->info; }
const KvLayout& Model::kv_layout() const { return impl_->kv; }

Result<std::unique_ptr<Model>> Model::load(const std::string& path, const LoadOptions& options,
                                           ThreadPool& pool) {
  MARU_ASSIGN_OR_RETURN(const PreparedModel prepared,
                        prepare_model(path, options.kv_type, options.precision));
  return load(prepared, options, pool);
}

Result<std::unique_ptr<Model>> Model::load(const PreparedModel& prepared,
                                           const LoadOptions& options, ThreadPool& pool) {
  // All names and shapes are checked before the first tensor is packed.
  MARU_RETURN_IF_ERROR(drop_value(plan_weights(prepared)));
  auto impl = std::make_unique<Impl>();
  impl->kv = prepared.kv;
  if (!options.packed_folder.empty()) {
    impl->store.emplace(options.packed_folder);
    impl->origin = origin_of(prepared.source);
    if (const Status mapped = impl->map_weights(prepared, pool); !mapped) {
      log_line(LogLevel::kDebug, "packing weights: " + mapped.error().message);
      impl->weights = {};
      impl->cache.reset();
    }
  }
  if (!impl->cache) MARU_RETURN_IF_ERROR(impl->pack_weights(prepared, pool));
  impl->info = describe_model(
      prepared, impl->cache ? impl->cache->fingerprint() : fingerprint_of(prepared.source));
  nn::Trace trace;
  if (options.trace)
    trace = [show = options.trace](const nn::Step& step, std::span<const float> values) {
      show(nn::op_name(step.node.op), values, step.node.width);
    };
  impl->executor = std::make_unique<nn::Executor>(
      compile_model(prepared, impl->weights, options.fused), kernels::KernelSet(options.isa),
      nn::KvGeometry{.page_tokens = prepared.kv.page_tokens, .type = prepared.kv.type},
      std::move(trace));
  return std::unique_ptr<Model>(new Model(std::move(impl)));
}

Result<ModelInfo> Model::read_info(const std::string& path) {
  MARU_ASSIGN_OR_RETURN(PreparedModel prepared, prepare_model(path, kernels::KvType::kF16, {}));
  MARU_RETURN_IF_ERROR(drop_value(plan_weights(prepared)));
  return describe_model(prepared, fingerprint_of(prepared.source));
}

Result<MemoryEstimate> Model::estimate_memory(const std::string& path, kernels::KvType kv_type,
                                              Precision precision, size_t max_rows,
                                              size_t n_threads) {
  MARU_ASSIGN_OR_RETURN(const PreparedModel prepared, prepare_model(path, kv_type, precision));
  return estimate_memory(prepared, max_rows, n_threads);
}

Result<MemoryEstimate> Model::estimate_memory(const PreparedModel& prepared, size_t max_rows,
                                              size_t n_threads) {
  MARU_ASSIGN_OR_RETURN(const Weights weights, plan_weights(prepared));
  const nn::Executor executor(compile_model(prepared, weights, true),
                              kernels::KernelSet(kernels::Isa::kScalar),
                              {.page_tokens = prepared.kv.page_tokens, .type = prepared.kv.type});
  MemoryEstimate estimate;
  estimate.weight_bytes = weight_bytes(weights);
  estimate.work_bytes = executor.workspace_bytes(max_rows, n_threads);
  for (const KvGroup& group : prepared.kv.groups) {
    if (group.window == 0) {
      estimate.kv_bytes_per_token += group.bytes_per_token;
    } else {
      // The pages that a window can touch, and the one being written.
      const uint64_t page = prepared.kv.page_tokens;
      const uint64_t n_pages = (group.window + page - 2) / page + 1;
      estimate.kv_fixed_bytes += n_pages * page * group.bytes_per_token;
    }
  }
  return estimate;
}

bool Model::has_packing_left() const {
  return impl_->cache ? !impl_->cache_is_verified : impl_->store.has_value();
}

Status Model::finish_packing(const std::atomic<bool>& stop) const {
  const Impl& m = *impl_;
  if (!has_packing_left()) return {};
  if (!m.cache) return m.store->write(m.origin, m.info.fingerprint, m.parts, stop);
  Status status = m.cache->verify(stop);
  if (!status) m.store->remove(m.origin);
  return status;
}

std::unique_ptr<Workspace, void (*)(Workspace*)> Model::make_workspace(size_t max_rows,
                                                                       size_t n_threads) const {
  auto* workspace = new Workspace;
  workspace->buffers = impl_->executor->make_workspace(max_rows, n_threads);
  return {workspace, [](Workspace* w) { delete w; }};
}

void Model::run(std::span<const StepSequence> sequences, ThreadPool& pool, Workspace& workspace,
                float* logits, kernels::LogitBlock* blocks) const {
  Workspace& w = workspace;
  w.tokens.clear();
  w.positions.clear();
  w.picked.clear();
  w.sum_scales.clear();
  w.sequences.clear();
  for (const StepSequence& s : sequences) {
    MARU_CHECK(s.pages.size() == impl_->kv.groups.size());
    const size_t first_row = w.tokens.size();
    w.sequences.push_back({.row_begin = first_row,
                           .n_rows = s.tokens.size(),
                           .first_position = s.first_position,
                           .pages = s.pages});
    for (size_t i = 0; i < s.tokens.size(); ++i) {
      MARU_CHECK(s.tokens[i] >= 0 && static_cast<uint32_t>(s.tokens[i]) < impl_->info.vocab_size);
      w.tokens.push_back(s.tokens[i]);
      w.positions.push_back(s.first_position + static_cast<uint32_t>(i));
      const bool last = i + 1 == s.tokens.size();
      if (s.logits == LogitsWanted::kAll || (s.logits == LogitsWanted::kLast && last)) {
        w.picked.push_back(static_cast<uint32_t>(first_row + i));
        w.sum_scales.push_back(s.sum_scale);
      }
    }
  }
  if (w.tokens.empty()) return;
  impl_->executor->run({.tokens = w.tokens,
                        .positions = w.positions,
                        .sequences = w.sequences,
                        .picked = w.picked,
                        .logits = logits,
                        .blocks = blocks,
                        .sum_scales = w.sum_scales},
                       pool, *w.buffers);
}

}  // namespace maru::models
