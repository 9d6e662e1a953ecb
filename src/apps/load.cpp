#include "apps/load.h"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <thread>
#include <utility>
#include <vector>

#include "apps/packing.h"
#include "base/files.h"
#include "engine/local_engine.h"
#include "kernels/dispatch.h"
#include "models/prepared.h"

namespace maru::apps {

kernels::KvType kv_type_of(const service::Settings& settings) {
  if (settings.kv_type == "f32") return kernels::KvType::kF32;
  return settings.kv_type == "q8_0" ? kernels::KvType::kQ8 : kernels::KvType::kF16;
}

models::Precision precision_of(const service::Settings& settings) {
  return settings.precision == "high" ? models::Precision::kHigh : models::Precision::kStandard;
}

size_t thread_count(const service::Settings& settings) {
  if (settings.threads != 0) return settings.threads;
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) > 0) {
    return static_cast<size_t>(CPU_COUNT(&set));
  }
  return std::max<size_t>(1, std::thread::hardware_concurrency());
}

StepSize engine_step(const service::Settings& settings) {
  const engine::SchedulerOptions options{.max_running = settings.max_running};
  return {engine::max_step_rows(options), options.max_running + options.max_logprob_rows};
}

Result<models::MemoryEstimate> estimate_load(const service::ModelLocation& location,
                                             const models::ModelInfo& info,
                                             const service::Settings& settings,
                                             const StepSize& step) {
  MARU_ASSIGN_OR_RETURN(
      models::MemoryEstimate need,
      models::Model::estimate_memory(location.path, kv_type_of(settings), precision_of(settings),
                                     step.n_tokens, thread_count(settings)));
  service::add_vocabulary(need, info.vocab_size, step.n_logit_rows);
  return need;
}

namespace {

Status refuse_tokenizer_only(const service::ModelLocation& location) {
  if (location.kind != service::ModelKind::kTokenizerOnly) return {};
  return Error{ErrorCode::kInvalidArgument,
               fmt::format("{} holds a tokenizer but no weights", location.path),
               "name a GGUF file or a folder with config.json and model.safetensors", "model"};
}

}  // namespace

Result<models::ModelInfo> read_model_info(const service::ModelLocation& location) {
  MARU_RETURN_IF_ERROR(refuse_tokenizer_only(location));
  return models::Model::read_info(location.path);
}

Result<LoadedModel> load_model(const service::ModelLocation& location,
                               const service::Settings& settings, ThreadPool& pool,
                               const StepSize& step, const MemoryLimits& limits) {
  LoadedModel loaded;
  loaded.location = location;
  MARU_RETURN_IF_ERROR(refuse_tokenizer_only(location));
  MARU_ASSIGN_OR_RETURN(
      const models::PreparedModel prepared,
      models::prepare_model(location.path, kv_type_of(settings), precision_of(settings)));
  MARU_ASSIGN_OR_RETURN(models::MemoryEstimate need,
                        models::Model::estimate_memory(prepared, step.n_tokens, pool.size()));
  service::add_vocabulary(need, prepared.config.vocab_size, step.n_logit_rows);
  MARU_ASSIGN_OR_RETURN(loaded.plan,
                        service::plan_memory(need,
                                             {settings.context, prepared.config.context_length,
                                              uint64_t{settings.kv_memory_mib} << 20},
                                             limits));
  MARU_ASSIGN_OR_RETURN(loaded.isa, kernels::choose_isa());
  models::LoadOptions options;
  options.isa = loaded.isa;
  options.kv_type = kv_type_of(settings);
  options.precision = precision_of(settings);
  options.packed_folder = packed_folder(settings);
  MARU_ASSIGN_OR_RETURN(loaded.model, models::Model::load(prepared, options, pool));
  return loaded;
}

std::string packed_folder(const service::Settings& settings) {
  return settings.packed_cache == "on" ? data_folder() + "/cache/packed" : std::string();
}

size_t logit_rows(uint32_t n_vocab, size_t max_rows) {
  constexpr size_t kBufferBytes = size_t{64} << 20;
  return std::clamp<size_t>(kBufferBytes / (sizeof(float) * std::max<size_t>(n_vocab, 1)), 1,
                            max_rows);
}

// One run of pages a group, never given back: the tools read a text once.
struct SoloModel::Pages {
  struct Free {
    void operator()(uint8_t* memory) const { std::free(memory); }
  };
  std::vector<std::unique_ptr<uint8_t, Free>> memory;
  std::vector<std::vector<uint8_t*>> table;  // [group][page]
};

SoloModel::SoloModel(size_t n_threads)
    : pool_(n_threads), workspace_(nullptr, [](models::Workspace*) {}) {}

SoloModel::~SoloModel() = default;

Result<std::unique_ptr<SoloModel>> SoloModel::load(const service::ModelLocation& location,
                                                   service::Settings settings, uint32_t n_tokens,
                                                   const StepSize& step) {
  constexpr size_t kAlignment = 64;
  settings.context = std::max<uint32_t>(n_tokens, 1);
  settings.kv_memory_mib = 0;
  std::unique_ptr<SoloModel> solo(new SoloModel(thread_count(settings)));
  // Now, so that nothing runs beside what the command does.
  bool damaged = false;
  do {
    MARU_ASSIGN_OR_RETURN(solo->loaded_, load_model(location, settings, solo->pool_, step));
    const Status packed = solo->loaded_.model->finish_packing(std::atomic<bool>(false));
    damaged = !packed && packed.error().code == ErrorCode::kCorrupt;
    if (!packed && !damaged) log_packing_error(packed.error());
  } while (damaged);
  solo->workspace_ = solo->loaded_.model->make_workspace(step.n_tokens, solo->pool_.size());
  solo->step_ = step;

  const models::KvLayout& layout = solo->loaded_.model->kv_layout();
  const size_t n_pages = (settings.context + layout.page_tokens - 1) / layout.page_tokens;
  solo->pages_ = std::make_unique<Pages>();
  for (size_t group = 0; group < layout.groups.size(); ++group) {
    const size_t stride = (layout.page_bytes(group) + kAlignment - 1) / kAlignment * kAlignment;
    auto* memory = static_cast<uint8_t*>(std::aligned_alloc(kAlignment, n_pages * stride));
    if (memory == nullptr) {
      return Error{ErrorCode::kUnavailable, fmt::format("no memory for {} of KV cache",
                                                        service::format_bytes(n_pages * stride))};
    }
    solo->pages_->memory.emplace_back(memory);
    std::vector<uint8_t*>& table = solo->pages_->table.emplace_back();
    for (size_t page = 0; page < n_pages; ++page) table.push_back(memory + page * stride);
  }
  return solo;
}

void SoloModel::run(std::span<const int32_t> tokens, uint32_t first_position,
                    models::LogitsWanted wanted, float* logits, kernels::LogitBlock* blocks,
                    float sum_scale) {
  MARU_CHECK(tokens.size() <= step_.n_tokens);
  models::StepSequence sequence;
  sequence.tokens = tokens;
  sequence.first_position = first_position;
  for (const std::vector<uint8_t*>& group : pages_->table) sequence.pages.emplace_back(group);
  sequence.logits = wanted;
  sequence.sum_scale = sum_scale;
  loaded_.model->run({&sequence, 1}, pool_, *workspace_, logits, blocks);
}

}  // namespace maru::apps
