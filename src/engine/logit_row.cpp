#include "engine/logit_row.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>

#include "kernels/dispatch.h"

namespace maru::engine {
namespace {

using kernels::kLogitBlock;
using kernels::LogitBlock;

const kernels::KernelSet& kernel_set() {
  static const kernels::KernelSet kernels = [] {
    const auto isa = kernels::choose_isa();  // whoever loads a model reports its error
    return kernels::KernelSet(isa ? *isa : kernels::Isa::kScalar);
  }();
  return kernels;
}

std::span<const float> block_values(const LogitRow& row, size_t block) {
  const size_t first = block * kLogitBlock;
  return row.values.subspan(first, std::min(kLogitBlock, row.values.size() - first));
}

TokenId id_at(size_t block, size_t i) { return static_cast<TokenId>(block * kLogitBlock + i); }

// A block's part of the whole, next to that of the row's largest logit.
double weight_of(const LogitRow& row, const LogitBlock& block, float largest) {
  const float shift = (block.largest - largest) * row.sum_scale;
  return static_cast<double>(block.sum) * std::exp(static_cast<double>(shift));
}

}  // namespace

LogitRow sum_up(std::span<const float> values, float sum_scale, std::vector<LogitBlock>& blocks) {
  blocks.resize(kernels::logit_blocks(values.size()));
  kernel_set().sum_logits({.x = values.data(),
                           .n = values.size(),
                           .block_begin = 0,
                           .block_end = blocks.size(),
                           .scale = sum_scale,
                           .blocks = blocks.data()});
  return {values, blocks, sum_scale};
}

bool is_finite(const LogitRow& row) {
  return std::none_of(row.blocks.begin(), row.blocks.end(),
                      [](const LogitBlock& block) { return std::isnan(block.largest); });
}

Error not_finite() {
  return Error{ErrorCode::kInternal, "the model computed a logit that is not finite",
               "the model file may be damaged; check its SHA-256"};
}

Candidate most_likely(const LogitRow& row) {
  // The first of equal blocks, and the first of equal values in it: the lowest id.
  const auto best =
      std::max_element(row.blocks.begin(), row.blocks.end(),
                       [](const auto& a, const auto& b) { return a.largest < b.largest; });
  const auto block = static_cast<size_t>(best - row.blocks.begin());
  const auto values = block_values(row, block);
  const auto at = std::find(values.begin(), values.end(), best->largest);
  return {id_at(block, static_cast<size_t>(at - values.begin())), best->largest};
}

double log_sum_exp(const LogitRow& row, float largest) {
  double sum = 0.0;
  for (const LogitBlock& block : row.blocks) sum += weight_of(row, block, largest);
  return std::log(sum);
}

void gather(const LogitRow& row, float least, std::vector<Candidate>& out) {
  out.clear();
  for (size_t b = 0; b < row.blocks.size(); ++b) {
    if (row.blocks[b].largest < least) continue;
    const auto values = block_values(row, b);
    for (size_t i = 0; i < values.size(); ++i) {
      if (values[i] >= least) out.push_back({id_at(b, i), values[i]});
    }
  }
}

float least_of_best(const LogitRow& row, size_t k) {
  if (k > row.blocks.size()) return -std::numeric_limits<float>::infinity();
  std::vector<float> largest(row.blocks.size());
  std::transform(row.blocks.begin(), row.blocks.end(), largest.begin(),
                 [](const LogitBlock& block) { return block.largest; });
  const auto kth = largest.begin() + static_cast<std::ptrdiff_t>(k - 1);
  std::nth_element(largest.begin(), kth, largest.end(), std::greater<>());
  return *kth;
}

void keep_best(size_t k, std::vector<Candidate>& candidates) {
  if (k >= candidates.size()) return;
  const auto kth = candidates.begin() + static_cast<std::ptrdiff_t>(k);
  std::nth_element(candidates.begin(), kth, candidates.end(), more_likely);
  candidates.erase(kth, candidates.end());
}

TokenId draw(const LogitRow& row, double uniform) {
  const float largest = most_likely(row).logit;
  std::vector<double> weights(row.blocks.size());
  double total = 0.0;
  for (size_t b = 0; b < weights.size(); ++b) {
    weights[b] = weight_of(row, row.blocks[b], largest);
    total += weights[b];
  }
  double rest = uniform * total;
  size_t chosen = 0;  // the last possible block, if rounding at the very end leaves none
  for (size_t b = 0; b < weights.size(); ++b) {
    if (weights[b] <= 0.0) continue;
    chosen = b;
    if (rest < weights[b]) break;
    rest -= weights[b];
  }
  // The step's sum is rounded; scaled to it, the draw stays inside of the block.
  const auto values = block_values(row, chosen);
  std::array<double, kLogitBlock> in_block;
  total = 0.0;
  for (size_t i = 0; i < values.size(); ++i) {
    in_block[i] = std::exp(static_cast<double>((values[i] - largest) * row.sum_scale));
    total += in_block[i];
  }
  rest *= total / weights[chosen];
  TokenId last_possible = id_at(chosen, 0);
  for (size_t i = 0; i < values.size(); ++i) {
    if (in_block[i] <= 0.0) continue;
    last_possible = id_at(chosen, i);
    if (rest < in_block[i]) break;
    rest -= in_block[i];
  }
  return last_possible;
}

}  // namespace maru::engine
