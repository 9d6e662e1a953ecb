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

// One tile of the stage's rows, as a product's input.
struct Tile {
  size_t first_row, n_rows;
  const float* x;  // float rows, ld k
  const uint8_t* quantised;
};

struct Tiling {
  size_t rows, n;
};

Tiling tiling_of(const StageRun& run, const Stage& stage) {
  const size_t rows = tile_rows(stage.products[0].in_width[0]);
  return {.rows = rows, .n = (run.n_rows(stage) + rows - 1) / rows};
}

Tile tile_at(const StageRun& run, const Stage& stage, const Tiling& tiling, size_t index) {
  const Step& step = stage.products[0];
  const size_t k = step.in_width[0];
  const size_t first = index * tiling.rows;
  return {.first_row = first,
          .n_rows = std::min(tiling.rows, run.n_rows(stage) - first),
          .x = run.buffer(step.in[0]) + first * k,
          .quantised = run.workspace.quantised + index * kernels::quantised_bytes(tiling.rows, k)};
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

// out[row - row_base] for the panels [begin, end) of one weight, bias included.
void multiply(const StageRun& run, const Linear& linear, const Tile& tile, size_t begin, size_t end,
              float* out, size_t ld_out, size_t row_base, bool accumulate) {
  if (!linear.bias.empty()) {
    const size_t first = begin * kPanel;
    const size_t n = std::min(end * kPanel, linear.weight.n_out()) - first;
    for (size_t t = 0; t < tile.n_rows; ++t) {
      float* row = out + t * ld_out + (first - row_base);
      const float* bias = linear.bias.data() + first;
      for (size_t i = 0; i < n; ++i) row[i] = accumulate ? row[i] + bias[i] : bias[i];
    }
    accumulate = true;
  }
  const bool floats = linear.weight.format().float_input;
  tensor::linear(run.kernels, linear.weight,
                 {.x = floats ? static_cast<const void*>(tile.x) : tile.quantised,
                  .ld_x = linear.weight.k(),
                  .n_rows = tile.n_rows,
                  .panel_begin = begin,
                  .panel_end = end,
                  .out = out,
                  .ld_out = ld_out,
                  .row_base = row_base,
                  .accumulate = accumulate});
}

// The last product: its logits are summed up while they are in the cache.
void multiply_logits(const StageRun& run, const Stage& stage, const Tile& tile, size_t begin,
                     size_t end) {
  const Step& step = stage.products[0];
  float* out = run.buffer(step.out) + tile.first_row * step.node.width;
  multiply(run, *step.node.linear, tile, begin, end, out, step.node.width, 0, step.accumulate);
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

size_t gate_scratch_floats(size_t max_rows, size_t k) {
  return std::max(2 * std::min(max_rows, tile_rows(k)) * kPanel, kGateFloats);
}

void run_product(const StageRun& run, const Stage& stage) {
  share_panels(run, stage, [&](size_t, const Tile& tile, size_t begin, size_t end) {
    if (sums_logits(run, stage)) return multiply_logits(run, stage, tile, begin, end);
    // The panels of all products count through; a strip may reach over the end of one.
    size_t base = 0;
    for (const Step& step : stage.products) {
      const Linear& linear = *step.node.linear;
      const size_t stop = std::min(end, base + linear.weight.n_panels());
      if (begin < stop) {
        multiply(run, linear, tile, begin - base, stop - base,
                 run.buffer(step.out) + tile.first_row * step.node.width, step.node.width, 0,
                 step.accumulate);
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
          multiply(run, gate, tile, begin, end, gate_x, n, base, false);
          multiply(run, up, tile, begin, end, up_x, n, base, false);
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
