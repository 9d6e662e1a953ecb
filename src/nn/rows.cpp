// The row part of a stage: forward of the ops that treat each row (and head) by itself. Written as
// functions over a range of rows, so that a backward can stand beside each.
#include <cmath>
#include <cstring>

#include "base/check.h"
#include "nn/stage_run.h"

namespace maru::nn {
namespace {

struct RowRange {
  size_t begin, end;
};

void embed(const StageRun& run, const Step& step, RowRange r) {
  const size_t width = step.node.width;
  for (size_t row = r.begin; row < r.end; ++row) {
    float* out = run.buffer(step.out) + row * width;
    step.node.linear->weight.read_row(static_cast<size_t>(run.batch.tokens[row]), out);
    const float scale = step.node.scalar;
    for (size_t i = 0; scale != 1.0f && i < width; ++i) out[i] *= scale;
  }
}

// Heads lie one behind the other, so that [rows, heads * n] is also [rows * heads, n].
void rms_norm(const StageRun& run, const Step& step, RowRange r) {
  const size_t heads = step.node.n_heads;
  const size_t n = step.node.width / heads;
  run.kernels.rms_norm({.x = run.buffer(step.in[0]),
                        .ld_x = n,
                        .weight = step.node.weight,
                        .eps = step.node.scalar,
                        .n = n,
                        .row_begin = r.begin * heads,
                        .row_end = r.end * heads,
                        .out = run.buffer(step.out),
                        .ld_out = n});
}

void copy_rows(const StageRun& run, const Step& step, RowRange r) {
  if (step.out == step.in[0]) return;
  const size_t width = step.node.width;
  std::memcpy(run.buffer(step.out) + r.begin * width, run.buffer(step.in[0]) + r.begin * width,
              (r.end - r.begin) * width * sizeof(float));
}

void rope(const StageRun& run, const Step& step, RowRange r) {
  copy_rows(run, step, r);
  const RopeSpec& spec = run.program.ropes[step.node.rope];
  run.kernels.rope({.x = run.buffer(step.out),
                    .ld_x = step.node.width,
                    .n_heads = step.node.n_heads,
                    .head_dim = step.node.width / step.node.n_heads,
                    .n_rot = spec.n_rot,
                    .interleaved = spec.interleaved,
                    .cos_sin = run.workspace.ropes[step.node.rope],
                    .token_begin = r.begin,
                    .token_end = r.end});
}

void gate(const StageRun& run, const Step& step, RowRange r) {
  run.kernels.gate({.gate = step.node.gate,
                    .gate_x = run.buffer(step.in[0]),
                    .up = run.buffer(step.in[1]),
                    .ld = step.node.width,
                    .n = step.node.width,
                    .row_begin = r.begin,
                    .row_end = r.end,
                    .out = run.buffer(step.out),
                    .ld_out = step.node.width});
}

void add(const StageRun& run, const Step& step, RowRange r) {
  copy_rows(run, step, r);
  const size_t at = r.begin * step.node.width;
  run.kernels.add({.x = run.buffer(step.in[1]) + at,
                   .n = (r.end - r.begin) * step.node.width,
                   .scale = 1.0f,
                   .y = run.buffer(step.out) + at});
}

void softcap(const StageRun& run, const Step& step, RowRange r) {
  const size_t width = step.node.width;
  const float cap = step.node.scalar;
  const float* x = run.buffer(step.in[0]);
  float* out = run.buffer(step.out);
  for (size_t i = r.begin * width; i < r.end * width; ++i) out[i] = cap * std::tanh(x[i] / cap);
}

void pick(const StageRun& run, const Step& step, RowRange r) {
  const size_t width = step.node.width;
  for (size_t row = r.begin; row < r.end; ++row)
    std::memcpy(run.buffer(step.out) + row * width,
                run.buffer(step.in[0]) + run.batch.picked[row] * width, width * sizeof(float));
}

void run_step(const StageRun& run, const Step& step, RowRange r) {
  switch (step.node.op) {
    case OpKind::kEmbed: return embed(run, step, r);
    case OpKind::kRmsNorm: return rms_norm(run, step, r);
    case OpKind::kRope: return rope(run, step, r);
    case OpKind::kGate: return gate(run, step, r);
    case OpKind::kAdd: return add(run, step, r);
    case OpKind::kSoftcap: return softcap(run, step, r);
    case OpKind::kPick: return pick(run, step, r);
    case OpKind::kLinear:
    case OpKind::kAttend: break;  // bodies of stages
  }
  MARU_CHECK(false);
}

void quantise(const StageRun& run, const Stage& stage, RowRange r) {
  const Step& product = stage.products[0];
  const size_t k = product.in_width[0];
  const size_t tile = tile_rows(stage);
  const size_t first = r.begin / tile * tile;
  const size_t n = std::min(tile, run.n_rows(stage) - first);
  run.kernels.quantise({.x = run.buffer(product.in[0]) + first * k,
                        .ld_x = k,
                        .n_rows = n,
                        .k = k,
                        .row_begin = r.begin - first,
                        .row_end = r.end - first,
                        .out = run.workspace.quantised + first / tile * tile_bytes(stage, tile),
                        .planes = stage.planes});
}

// Rows that one thread takes at a time: enough work to pay for taking them, few enough to stay in
// the first cache from step to step. Divides every tile, whole groups of activations.
size_t block_rows(const Stage& stage) {
  size_t width = 1;
  for (const Step& step : stage.rows) width = std::max(width, step.node.width);
  for (const Step& step : stage.products) width = std::max(width, step.in_width[0]);
  return kernels::kActRowGroup * (width >= 4096 ? 1 : width >= 1024 ? 2 : 4);
}

}  // namespace

size_t tile_rows(const Stage& stage) {
  constexpr size_t kTileBytes = size_t{384} << 10;
  const size_t k = stage.products[0].in_width[0];
  size_t rows = 4 * kernels::kActRowGroup;
  while (rows < 512 && rows * 2 * (k + k / 4) <= kTileBytes) rows *= 2;
  return rows / std::max<size_t>(stage.planes, 1);
}

size_t tile_bytes(const Stage& stage, size_t n_rows) {
  return kernels::quantised_bytes(n_rows * stage.planes, stage.products[0].in_width[0]);
}

void run_rows(const StageRun& run, const Stage& stage) {
  const bool quantises = stage.planes > 0;
  const bool stores = stage.body == StageBody::kAttend;
  if (stage.rows.empty() && !quantises && !stores) return;
  run.pool.share(run.n_rows(stage), block_rows(stage), [&](size_t, size_t begin, size_t end) {
    // A single piece may span tiles.
    const size_t block = block_rows(stage);
    for (size_t b = begin; b < end; b += block) {
      const RowRange r{b, std::min(b + block, end)};
      for (const Step& step : stage.rows) run_step(run, step, r);
      if (stores) store_kv(run, stage.attend, r.begin, r.end);
      if (quantises) quantise(run, stage, r);
    }
  });
}

}  // namespace maru::nn
