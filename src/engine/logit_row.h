// One row of logits as sampling sees it: the values, and what the model's step found out about each
// block of them while they were in the cache (kernels::LogitBlock). A block whose largest logit is
// too small is never read: greedy decoding, top-k, top-p, min-p and the draw over the whole
// vocabulary look at few of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "base/result.h"
#include "engine/engine.h"
#include "kernels/kernel_api.h"

namespace maru::engine {

struct Candidate {
  TokenId id;
  float logit;
};

// More likely first; ties: the lowest id.
inline bool more_likely(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
}

struct LogitRow {
  std::span<const float> values;                // [vocab_size]
  std::span<const kernels::LogitBlock> blocks;  // [kernels::logit_blocks(vocab_size)]
  float sum_scale = 0.0f;                       // of the blocks' sums; 0: there are none
};

// Makes the blocks of a row that no step has summed up. `blocks` gets their number.
LogitRow sum_up(std::span<const float> values, float sum_scale,
                std::vector<kernels::LogitBlock>& blocks);

// Whether the row can be used at all, and the error if it cannot.
bool is_finite(const LogitRow& row);
Error not_finite();

// What follows wants a finite row.

Candidate most_likely(const LogitRow& row);
// The log of the sum of exp((x - largest) * sum_scale), largest being that of the row. The row has
// sums.
double log_sum_exp(const LogitRow& row, float largest);
// Every token with a logit of at least `least`, by id.
void gather(const LogitRow& row, float least, std::vector<Candidate>& out);
// A logit that at least `k` tokens reach, not far below the k-th largest: that of the blocks'
// largest, for k >= 1.
float least_of_best(const LogitRow& row, size_t k);
// Leaves the `k` most likely, in no order.
void keep_best(size_t k, std::vector<Candidate>& candidates);
// Draws from softmax(values * sum_scale) by inverting the cumulative distribution in the order of
// ids: a pure function of row and `uniform`, in [0, 1). The row has sums.
TokenId draw(const LogitRow& row, double uniform);

}  // namespace maru::engine
