// The product part of a stage: panels of packed weights against tiles of rows.
#include <cstring>

#include "nn/stage_run.h"

namespace maru::nn {
namespace {

constexpr size_t kPanel = kernels::kPanelRows;
// Panels that a thread takes at a time when there are many rows: a strip of weights stays in the
// second cache while a tile of rows passes.
constexpr size_t kStripPanels = 4;
constexpr size_t kBlockPanels = kernels::kLogitBlock / kPanel;
// Up to here a product is bound by reading the weights.
constexpr size_t kFewRows = 8;
constexpr size_t kGateFloats = size_t{32} << 10;
constexpr size_t kPlaneFloats = size_t{16} << 10;

// One tile of the stage's rows, as a product's input.
struct Tile {
  size_t first_row, n_rows;
  const float* x;            // float rows, ld k
  const uint8_t* quantised;  // [planes * n_rows]
  size_t planes;
};

// Where a product goes: row r of the matrix to out[t * ld + (r - row_base)].
struct Target {
  float* out;
  size_t ld, row_base;
  bool accumulate;

  float* row(size_t t, size_t r) const { return out + t * ld + (r - row_base); }
};

struct Tiling {
  size_t rows, n;
};

Tiling tiling_of(const StageRun& run, const Stage& stage) {
  const size_t rows = tile_rows(stage);
  return {.rows = rows, .n = (run.n_rows(stage) + rows - 1) / rows};
}

Tile tile_at(const StageRun& run, const Stage& stage, const Tiling& tiling, size_t index) {
  const Step& step = stage.products[0];
  const size_t k = step.in_width[0];
  const size_t first = index * tiling.rows;
  return {.first_row = first,
          .n_rows = std::min(tiling.rows, run.n_rows(stage) - first),
          .x = run.buffer(step.in[0]) + first * k,
          .quantised = run.workspace.quantised + index * tile_bytes(stage, tiling.rows),
          .planes = stage.planes};
}

// Panels that a thread takes at a time. With few rows the weights come from memory, which is read
// fastest in long runs: two for each thread, so that a thread on a disturbed core does less (on Zen
// 5 four for each lose 3 %, eight 10 %). With many, strips of an even number, which kernels take
// two at a time.
size_t grain_of(size_t n_panels, size_t n_rows, size_t n_threads) {
  if (n_rows <= kFewRows) return (n_panels + 2 * n_threads - 1) / (2 * n_threads);
  const size_t fair = (n_panels + 4 * n_threads - 1) / (4 * n_threads);
  return std::clamp<size_t>((fair + 1) / 2 * 2, 2, kStripPanels);
}

// Calls body(thread, tile, begin, end) for strips of panels of every tile. A strip of logits that
// are summed up has whole blocks.
template <class Body>
void share_panels(const StageRun& run, const Stage& stage, const Body& body) {
  const size_t n_panels = stage.n_panels;
  const Tiling tiling = tiling_of(run, stage);
  size_t grain = grain_of(n_panels, run.n_rows(stage), run.pool.size());
  if (sums_logits(run, stage)) grain = (grain + kBlockPanels - 1) / kBlockPanels * kBlockPanels;
  const size_t n_strips = (n_panels + grain - 1) / grain;
  run.pool.share(tiling.n * n_strips, 1, [&](size_t thread, size_t first_item, size_t end_item) {
    for (size_t item = first_item; item < end_item; ++item) {
      const size_t begin = item % n_strips * grain;
      body(thread, tile_at(run, stage, tiling, item / n_strips), begin,
           std::min(begin + grain, n_panels));
    }
  });
}

void multiply_rows(const StageRun& run, const Linear& linear, const void* x, size_t n_rows,
                   size_t begin, size_t end, const Target& to) {
  tensor::linear(run.kernels, linear.weight,
                 {.x = x,
                  .ld_x = linear.weight.k(),
                  .n_rows = n_rows,
                  .panel_begin = begin,
                  .panel_end = end,
                  .out = to.out,
                  .ld_out = to.ld,
                  .row_base = to.row_base,
                  .accumulate = to.accumulate});
}

// Both planes of all rows in one product, so that weights are read once; then a row's two sums are
// added. By few panels at a time, whose sums stay in the cache.
void multiply_planes(const StageRun& run, size_t thread, const Linear& linear, const Tile& tile,
                     size_t begin, size_t end, const Target& to) {
  float* scratch = run.workspace.plane_floats[thread];
  const size_t n_rows = tile.planes * tile.n_rows;
  const size_t grain = run.workspace.n_plane_floats / (n_rows * kPanel) / 2 * 2;
  for (; begin < end; begin += grain) {
    const size_t stop = std::min(begin + grain, end), base = begin * kPanel;
    const size_t n = std::min(stop * kPanel, linear.weight.n_out()) - base;
    multiply_rows(run, linear, tile.quantised, n_rows, begin, stop,
                  {.out = scratch, .ld = n, .row_base = base, .accumulate = false});
    for (size_t t = 0; t < tile.n_rows; ++t) {
      float* row = to.row(t, base);
      const float* value = scratch + 2 * t * n;
      const float* rest = value + n;
      if (to.accumulate) {
        for (size_t i = 0; i < n; ++i) row[i] += value[i] + rest[i];
      } else {
        for (size_t i = 0; i < n; ++i) row[i] = value[i] + rest[i];
      }
    }
  }
}

// The panels [begin, end) of one weight, bias included.
void multiply(const StageRun& run, size_t thread, const Linear& linear, const Tile& tile,
              size_t begin, size_t end, Target to) {
  if (!linear.bias.empty()) {
    const size_t first = begin * kPanel;
    const size_t n = std::min(end * kPanel, linear.weight.n_out()) - first;
    for (size_t t = 0; t < tile.n_rows; ++t) {
      float* row = to.row(t, first);
      const float* bias = linear.bias.data() + first;
      for (size_t i = 0; i < n; ++i) row[i] = to.accumulate ? row[i] + bias[i] : bias[i];
    }
    to.accumulate = true;
  }
  if (linear.weight.format().float_input) {
    multiply_rows(run, linear, tile.x, tile.n_rows, begin, end, to);
  } else if (tile.planes == 1) {
    multiply_rows(run, linear, tile.quantised, tile.n_rows, begin, end, to);
  } else {
    multiply_planes(run, thread, linear, tile, begin, end, to);
  }
}

// What a step of a tile writes.
Target target_of(const StageRun& run, const Step& step, const Tile& tile) {
  return {.out = run.buffer(step.out) + tile.first_row * step.node.width,
          .ld = step.node.width,
          .row_base = 0,
          .accumulate = step.accumulate};
}

// The last product: its logits are summed up while they are in the cache.
void multiply_logits(const StageRun& run, size_t thread, const Stage& stage, const Tile& tile,
                     size_t begin, size_t end) {
  const Step& step = stage.products[0];
  multiply(run, thread, *step.node.linear, tile, begin, end, target_of(run, step, tile));
  sum_logits(run, tile.first_row, tile.first_row + tile.n_rows, begin * kPanel,
             std::min(end * kPanel, run.program.n_logits));
}

}  // namespace

// With many rows the weights are read once for long work, and the CPU's own prefetchers do.
void read_weights_ahead(const StageRun& run, size_t first_stage) {
  const auto& stages = run.program.stages;
  for (size_t i = first_stage; i < stages.size(); ++i) {
    const size_t n_rows = run.n_rows(stages[i]);
    if (stages[i].products.empty() || n_rows == 0) continue;
    if (n_rows > kFewRows) return;
    const tensor::PackedWeight& weight = stages[i].products[0].node.linear->weight;
    const size_t grain = grain_of(stages[i].n_panels, n_rows, run.pool.size());
    return run.pool.read_ahead(weight.panels(), grain * weight.panel_bytes());
  }
}

size_t gate_scratch_floats(const Stage& stage, size_t max_rows) {
  return std::max(2 * std::min(max_rows, tile_rows(stage)) * kPanel, kGateFloats);
}

size_t plane_scratch_floats(const Stage& stage, size_t max_rows) {
  if (stage.planes < 2) return 0;
  // At least two panels, which kernels take at a time.
  return std::max(2 * kPanel * stage.planes * std::min(max_rows, tile_rows(stage)), kPlaneFloats);
}

void run_product(const StageRun& run, const Stage& stage) {
  share_panels(run, stage, [&](size_t thread, const Tile& tile, size_t begin, size_t end) {
    if (sums_logits(run, stage)) return multiply_logits(run, thread, stage, tile, begin, end);
    // The panels of all products count through; a strip may reach over the end of one.
    size_t base = 0;
    for (const Step& step : stage.products) {
      const Linear& linear = *step.node.linear;
      const size_t stop = std::min(end, base + linear.weight.n_panels());
      if (begin < stop) {
        multiply(run, thread, linear, tile, begin - base, stop - base, target_of(run, step, tile));
        begin = stop;
      }
      base += linear.weight.n_panels();
    }
  });
}

void run_gated_product(const StageRun& run, const Stage& stage) {
  const Linear& gate = *stage.products[0].node.linear;
  const Linear& up = *stage.products[1].node.linear;
  const size_t width = stage.gate.node.width;
  share_panels(
      run, stage, [&](size_t thread, const Tile& tile, size_t strip_begin, size_t strip_end) {
        float* scratch = run.workspace.thread_floats[thread];
        const size_t step =
            std::max<size_t>(1, run.workspace.n_gate_floats / (2 * tile.n_rows * kPanel));
        for (size_t begin = strip_begin; begin < strip_end; begin += step) {
          const size_t end = std::min(begin + step, strip_end);
          const size_t base = begin * kPanel;
          const size_t n = std::min(end * kPanel, width) - base;
          float* gate_x = scratch;
          float* up_x = scratch + tile.n_rows * n;
          const auto to = [&](float* out) {
            return Target{.out = out, .ld = n, .row_base = base, .accumulate = false};
          };
          multiply(run, thread, gate, tile, begin, end, to(gate_x));
          multiply(run, thread, up, tile, begin, end, to(up_x));
          run.kernels.gate({.gate = stage.gate.node.gate,
                            .gate_x = gate_x,
                            .up = up_x,
                            .ld = n,
                            .n = n,
                            .row_begin = 0,
                            .row_end = tile.n_rows,
                            .out = run.buffer(stage.gate.out) + tile.first_row * width + base,
                            .ld_out = width});
        }
      });
}

}  // namespace maru::nn
