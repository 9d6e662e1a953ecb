#include "nn/executor.h"

#include <cstdlib>
#include <utility>

#include "base/check.h"
#include "nn/stage_run.h"

namespace maru::nn {
namespace {

// Rows of one sequence that attend in one call: enough to use a page's keys several times.
constexpr size_t kAttentionTile = 64;
constexpr size_t kAlign = 64;

size_t aligned(size_t bytes) { return (bytes + kAlign - 1) / kAlign * kAlign; }

void fill_ropes(const StageRun& run) {
  const size_t n_ropes = run.program.ropes.size();
  run.pool.share(run.batch.tokens.size(), 16, [&](size_t, size_t begin, size_t end) {
    for (size_t i = 0; i < n_ropes; ++i) {
      const RopeSpec& rope = run.program.ropes[i];
      for (size_t row = begin; row < end; ++row)
        fill_rope_row(rope, run.batch.positions[row], run.workspace.ropes[i] + row * rope.n_rot);
    }
  });
}

// The longest parts first, so that no thread is left with one at the end.
void cut_attention_tiles(const Batch& batch, Workspace& workspace) {
  workspace.tiles.clear();
  for (uint32_t s = 0; s < batch.sequences.size(); ++s) {
    const auto n = static_cast<uint32_t>(batch.sequences[s].n_rows);
    for (uint32_t begin = 0; begin < n; begin += kAttentionTile)
      workspace.tiles.push_back({s, begin, std::min<uint32_t>(begin + kAttentionTile, n)});
  }
  std::stable_sort(workspace.tiles.begin(), workspace.tiles.end(),
                   [&](const auto& a, const auto& b) {
                     auto reach = [&](const auto& t) {
                       return batch.sequences[t.sequence].first_position + t.end;
                     };
                     return reach(a) > reach(b);
                   });
}

void trace_stage(const StageRun& run, const Stage& stage, const Trace& trace) {
  auto show = [&](const Step& step) {
    if (step.out == kNoBuffer) return;  // only in scratch
    trace(step, {run.buffer(step.out), run.n_rows(stage) * step.node.width});
  };
  for (const Step& step : stage.rows) show(step);
  for (const Step& step : stage.products) show(step);
  if (stage.body == StageBody::kGatedProduct) show(stage.gate);
  if (stage.body == StageBody::kAttend) show(stage.attend);
}

}  // namespace

void Workspace::AlignedFree::operator()(uint8_t* p) const { std::free(p); }

Executor::Executor(Program program, const kernels::KernelSet& kernels, KvGeometry kv, Trace trace)
    : program_(std::move(program)), kernels_(kernels), kv_(kv), trace_(std::move(trace)) {}

struct Executor::Sizes {
  size_t quantised = 0, gate_floats = 1, thread_floats = 1, plane_floats = 0, partial_floats = 0;
  size_t total = 0;
};

Executor::Sizes Executor::plan_sizes(size_t max_rows, size_t n_threads) const {
  Sizes sizes;
  for (const Stage& stage : program_.stages) {
    if (!stage.products.empty()) {
      const size_t tile = tile_rows(stage);
      const size_t n_tiles = (max_rows + tile - 1) / tile;
      sizes.quantised =
          std::max(sizes.quantised, n_tiles * tile_bytes(stage, std::min(tile, max_rows)));
      sizes.plane_floats = std::max(sizes.plane_floats, plane_scratch_floats(stage, max_rows));
      if (stage.body == StageBody::kGatedProduct)
        sizes.gate_floats = std::max(sizes.gate_floats, gate_scratch_floats(stage, max_rows));
    }
    if (stage.body == StageBody::kAttend) {
      const AttendSpec& spec = stage.attend.node.attend;
      sizes.thread_floats =
          std::max(sizes.thread_floats, kernels::attention_scratch_floats(spec.head_dim));
      sizes.partial_floats = kPartialFloats;
    }
  }
  sizes.thread_floats = std::max(sizes.thread_floats, sizes.gate_floats);
  for (const Buffer& buffer : program_.buffers)
    sizes.total += aligned(max_rows * buffer.width * sizeof(float));
  for (const RopeSpec& rope : program_.ropes)
    sizes.total += aligned(max_rows * rope.n_rot * sizeof(float));
  sizes.total += aligned(sizes.partial_floats * sizeof(float));
  sizes.total += aligned(sizes.quantised);
  sizes.total += n_threads * (aligned(sizes.thread_floats * sizeof(float)) +
                              aligned(sizes.plane_floats * sizeof(float)));
  return sizes;
}

size_t Executor::workspace_bytes(size_t max_rows, size_t n_threads) const {
  return plan_sizes(max_rows, n_threads).total;
}

std::unique_ptr<Workspace> Executor::make_workspace(size_t max_rows, size_t n_threads) const {
  MARU_CHECK(max_rows > 0 && n_threads > 0);
  const Sizes sizes = plan_sizes(max_rows, n_threads);
  auto w = std::make_unique<Workspace>();
  w->max_rows = max_rows;
  w->n_threads = n_threads;
  w->n_gate_floats = sizes.gate_floats;
  w->memory.reset(static_cast<uint8_t*>(std::aligned_alloc(kAlign, std::max(sizes.total, kAlign))));
  MARU_CHECK(w->memory != nullptr);
  uint8_t* at = w->memory.get();
  auto take = [&](size_t bytes) { return std::exchange(at, at + aligned(bytes)); };
  auto take_floats = [&](size_t n) { return reinterpret_cast<float*>(take(n * sizeof(float))); };
  for (const Buffer& buffer : program_.buffers)
    w->buffers.push_back(take_floats(max_rows * buffer.width));
  for (const RopeSpec& rope : program_.ropes)
    w->ropes.push_back(take_floats(max_rows * rope.n_rot));
  w->quantised = take(sizes.quantised);
  if (sizes.partial_floats > 0) w->partial = take_floats(sizes.partial_floats);
  w->n_plane_floats = sizes.plane_floats;
  for (size_t t = 0; t < n_threads; ++t) {
    w->thread_floats.push_back(take_floats(sizes.thread_floats));
    w->plane_floats.push_back(take_floats(sizes.plane_floats));
  }
  MARU_CHECK(at == w->memory.get() + sizes.total);
  return w;
}

void Executor::run(const Batch& batch, ThreadPool& pool, Workspace& workspace) const {
  MARU_CHECK(batch.tokens.size() <= workspace.max_rows && pool.size() <= workspace.n_threads);
  MARU_CHECK(batch.positions.size() == batch.tokens.size());
  const StageRun run{program_, kernels_, kv_, batch, pool, workspace};
  fill_ropes(run);
  cut_attention_tiles(batch, workspace);
  read_weights_ahead(run, 0);
  for (size_t i = 0; i < program_.stages.size(); ++i) {
    const Stage& stage = program_.stages[i];
    if (run.n_rows(stage) == 0) continue;
    run_rows(run, stage);
    if (!stage.products.empty()) read_weights_ahead(run, i + 1);
    switch (stage.body) {
      case StageBody::kNone: break;
      case StageBody::kProduct: run_product(run, stage); break;
      case StageBody::kGatedProduct: run_gated_product(run, stage); break;
      case StageBody::kAttend: run_attend(run, stage); break;
    }
    if (trace_) trace_stage(run, stage, trace_);
  }
  sum_all_logits(run);
}

}  // namespace maru::nn
