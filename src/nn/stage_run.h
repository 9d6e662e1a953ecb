// Inside of the executor: the parts of a stage. Not for other layers.
#pragma once

#include <algorithm>
#include <atomic>
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
// tile is a buffer of its own for the kernels. A multiple of every block of rows that run_rows()
// takes.
size_t tile_rows(size_t k);

void run_rows(const StageRun& run, const Stage& stage);  // row steps, then quantisation
void run_product(const StageRun& run, const Stage& stage);
void run_gated_product(const StageRun& run, const Stage& stage);
void run_attend(const StageRun& run, const Stage& stage);

// Floats of thread scratch for the products of a gated stage.
size_t gate_scratch_floats(size_t max_rows, size_t k);

// body(thread, begin, end) over [0, n_items) in pieces of `grain` from a shared counter. One piece
// runs on the caller at once, without a barrier.
template <class Body>
void share_items(ThreadPool& pool, size_t n_items, size_t grain, const Body& body) {
  if (n_items == 0) return;
  if (pool.size() == 1 || n_items <= grain) {
    body(size_t{0}, size_t{0}, n_items);
    return;
  }
  std::atomic<size_t> next{0};
  pool.run([&](size_t thread) {
    for (size_t begin = next.fetch_add(grain, std::memory_order_relaxed); begin < n_items;
         begin = next.fetch_add(grain, std::memory_order_relaxed)) {
      body(thread, begin, std::min(begin + grain, n_items));
    }
  });
}

}  // namespace maru::nn
