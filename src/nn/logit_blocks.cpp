// Sums up the logits for the sampler, block by block.
#include "nn/stage_run.h"

namespace maru::nn {

void sum_logits(const StageRun& run, size_t row_begin, size_t row_end, size_t word_begin,
                size_t word_end) {
  const size_t n = run.program.n_logits;
  const size_t n_blocks = kernels::logit_blocks(n);
  const size_t begin = word_begin / kernels::kLogitBlock;
  for (size_t row = row_begin; row < row_end; ++row) {
    run.kernels.sum_logits({.x = run.batch.logits + row * n,
                            .n = n,
                            .block_begin = begin,
                            .block_end = kernels::logit_blocks(word_end),
                            .scale = run.batch.sum_scales[row],
                            .blocks = run.batch.blocks + row * n_blocks + begin});
  }
}

bool sums_logits(const StageRun& run, const Stage& stage) {
  return run.batch.blocks != nullptr && &stage == &run.program.stages.back() &&
         stage.body == StageBody::kProduct && stage.products.size() == 1;
}

void sum_all_logits(const StageRun& run) {
  if (run.batch.blocks == nullptr || sums_logits(run, run.program.stages.back())) return;
  const size_t n = run.program.n_logits;
  const size_t n_blocks = kernels::logit_blocks(n);
  run.pool.parallel_for(run.batch.picked.size() * n_blocks, 16, [&](size_t begin, size_t end) {
    for (size_t item = begin; item < end; ++item) {
      const size_t row = item / n_blocks, word = item % n_blocks * kernels::kLogitBlock;
      sum_logits(run, row, row + 1, word, std::min(word + kernels::kLogitBlock, n));
    }
  });
}

}  // namespace maru::nn
