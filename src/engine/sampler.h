// From one row of logits to one token: the pipeline of sampling steps, the draw, and logprobs.
// A step is one file in src/engine/sampler/ (a generated table lists them): its place in the
// pipeline is its `order`. Nothing here knows of batches: a token depends on the row, the request's
// parameters and tokens, and (seed, position) alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/result.h"
#include "engine/engine.h"
#include "engine/logit_row.h"

namespace maru::engine {

// What the steps may look at beside the logits.
struct SamplerContext {
  const SamplingParams& params;
  const std::unordered_map<TokenId, uint32_t>& generated;  // token -> how often
  const std::unordered_set<TokenId>& prompt;               // empty unless a penalty needs it
  // Where the candidates are only those that top_p can keep: the log of the sum of
  // exp(logit - largest) over all that reach it.
  std::optional<double> log_sum = {};
};

// A step has one of the two functions. `adjust` changes logits, token i's at index i; `cut` works
// on candidates: it may change, drop and reorder them, but leaves at least the most likely one.
// Greedy decoding skips the cuts. A cut with `wants_all` finds every token among the candidates
// (or, behind top_k, those that it left); the others only those that top_k, top_p and min_p can
// keep.
struct SamplerStep {
  const char* name;
  int order;
  bool (*is_active)(const SamplingParams& params);
  void (*adjust)(const SamplerContext& context, std::span<float> logits);
  void (*cut)(const SamplerContext& context, std::vector<Candidate>& candidates);
  bool wants_all = true;
};

// All steps, in pipeline order.
std::vector<const SamplerStep*> all_sampler_steps();

// Errors: kInvalidArgument naming the parameter (`param`), the value and the range.
Status check_sampling(const SamplingParams& params, uint32_t vocab_size);

// The state of one request's sampling. Not thread-safe.
class Sampler {
 public:
  Sampler(const SamplingParams& params, std::span<const TokenId> prompt);

  // With which block sums it wants its rows: 1 / temperature, or 0 for none.
  float sum_scale() const { return adjusts_.empty() ? sum_scale_ : 0.0f; }

  // Draws the token at `position` (its index in prompt and answer) and counts it as generated. A
  // row with other sums than wanted is summed up again. Errors: kInternal when a logit is not
  // finite.
  Result<TokenId> sample(const LogitRow& row, uint32_t position);
  // The same from logits [vocab_size] that nobody has summed up.
  Result<TokenId> sample(std::span<const float> logits, uint32_t position);

 private:
  SamplerContext context() const { return {params_, generated_, prompt_}; }
  LogitRow adjusted(const LogitRow& row);
  TokenId choose(const LogitRow& row, uint32_t position);
  std::optional<double> find_candidates(const LogitRow& row);
  double find_mass(const LogitRow& row, float largest);

  SamplingParams params_;
  std::vector<const SamplerStep*> adjusts_, cuts_;  // the active ones
  float sum_scale_ = 0.0f;
  bool wants_all_ = false;  // some active cut does
  std::unordered_map<TokenId, uint32_t> generated_;
  std::unordered_set<TokenId> prompt_;
  // Scratch.
  std::vector<Candidate> candidates_;
  std::vector<float> logits_;
  std::vector<kernels::LogitBlock> blocks_;
};

// The logprob of `token` under softmax(logits), with the `n_top` most likely tokens (ties: the
// lowest id first). Errors: kInternal when a logit is not finite.
Result<TokenLogprob> token_logprob(std::span<const float> logits, TokenId token, uint32_t n_top);

// Uniform in [0, 1) with 53 bits, a pure function of its arguments: Philox4x32-10 (Salmon et al.,
// "Parallel random numbers: as easy as 1, 2, 3", 2011) with the seed as key.
double uniform_at(uint64_t seed, uint64_t position);

}  // namespace maru::engine
