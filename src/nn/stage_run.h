// Inside of the executor: the parts of a stage. Not for other layers.
#pragma once

#include <algorithm>
#include <cstddef>

#include "nn/executor.h"

namespace maru::nn {

struct StageRun {
  const Program& program;
  const kernels::KernelSet& kernels;
  const KvGeometry& kv;
  const Batch& batch;
  ThreadPool& pool;
  Workspace& workspace;

  float* buffer(BufferId id) const {
    return id == kLogitsBuffer ? batch.logits : workspace.buffers[id];
  }
  size_t n_rows(const Stage& stage) const {
    return stage.picked ? batch.picked.size() : batch.tokens.size();
  }
};

// Rows of quantised activations come in tiles that fit a core's L2 cache beside the weights; each
// tile is a buffer of its own for the kernels. This is how many rows of the batch make one, a
// multiple of every block of rows that run_rows() takes. `stage` has a product.
size_t tile_rows(const Stage& stage);
// Bytes of the tile of `n_rows` rows of the batch.
size_t tile_bytes(const Stage& stage, size_t n_rows);

// Room for the states of parts of long rows (kernels/kernel_api.h: AttentionArgs::partial).
inline constexpr size_t kPartialFloats = size_t{512} << 10;

// The keys and values of these rows of the batch, into their pages.
void store_kv(const StageRun& run, const Step& step, size_t row_begin, size_t row_end);

void run_rows(const StageRun& run, const Stage& stage);  // row steps, then quantisation
void run_product(const StageRun& run, const Stage& stage);
void run_gated_product(const StageRun& run, const Stage& stage);
void run_attend(const StageRun& run, const Stage& stage);
// Tells the pool which weights come next: those of the first product from stage `first_stage` on.
void read_weights_ahead(const StageRun& run, size_t first_stage);

// Sums up logits [row_begin, row_end) of words [word_begin, word_end), whole blocks.
void sum_logits(const StageRun& run, size_t row_begin, size_t row_end, size_t word_begin,
                size_t word_end);
// Whether the stage's product yields the logits as they stay, and sums them up while they are hot.
bool sums_logits(const StageRun& run, const Stage& stage);
// The same for programs whose last stage is something else.
void sum_all_logits(const StageRun& run);

// Floats of thread scratch for the products of a gated stage.
size_t gate_scratch_floats(const Stage& stage, size_t max_rows);
// Floats of thread scratch for the products with two planes of a tile.
size_t plane_scratch_floats(const Stage& stage, size_t max_rows);

}  // namespace maru::nn
