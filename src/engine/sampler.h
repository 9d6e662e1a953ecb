// From one row of logits to one token: the pipeline of sampling steps, the draw, and logprobs.
// A step is one file in src/engine/sampler/ (a generated table lists them): its place in the
// pipeline is its `order`. Nothing here knows of batches: a token depends on the row, the request's
// parameters and tokens, and (seed, position) alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/result.h"
#include "engine/engine.h"

namespace maru::engine {

struct Candidate {
  TokenId id;
  float logit;
};

// What the steps may look at beside the logits.
struct SamplerContext {
  const SamplingParams& params;
  const std::unordered_map<TokenId, uint32_t>& generated;  // token -> how often
  const std::unordered_set<TokenId>& prompt;               // empty unless a penalty needs it
};

// Works on the candidates in place. Steps below kFirstCut find token i at index i and keep that;
// later ones may drop and reorder, but leave at least the most likely one. Greedy decoding skips
// the steps from kTemperature on.
struct SamplerStep {
  const char* name;
  int order;
  bool (*is_active)(const SamplingParams& params);
  void (*apply)(const SamplerContext& context, std::vector<Candidate>& candidates);

  static constexpr int kTemperature = 300;
  static constexpr int kFirstCut = 400;
};

// All steps, in pipeline order.
std::vector<const SamplerStep*> all_sampler_steps();

// Errors: kInvalidArgument naming the parameter (`param`), the value and the range.
Status check_sampling(const SamplingParams& params, uint32_t vocab_size);

// The state of one request's sampling. Not thread-safe.
class Sampler {
 public:
  Sampler(const SamplingParams& params, std::span<const TokenId> prompt);

  // Draws the token at `position` (its index in prompt and answer) from logits [vocab_size] and
  // counts it as generated. Errors: kInternal when a logit is not finite.
  Result<TokenId> sample(std::span<const float> logits, uint32_t position);

 private:
  SamplingParams params_;
  std::vector<const SamplerStep*> steps_;  // the active ones
  std::unordered_map<TokenId, uint32_t> generated_;
  std::unordered_set<TokenId> prompt_;
  std::vector<Candidate> candidates_;  // scratch
};

// Whether a row of logits can be used at all, and the error if it cannot.
bool all_finite(std::span<const float> logits);
Error not_finite();

// The logprob of `token` under softmax(logits), with the `n_top` most likely tokens (ties: the
// lowest id first). Sums in double. Errors: kInternal when a logit is not finite.
Result<TokenLogprob> token_logprob(std::span<const float> logits, TokenId token, uint32_t n_top);

// Uniform in [0, 1) with 53 bits, a pure function of its arguments: Philox4x32-10 (Salmon et al.,
// "Parallel random numbers: as easy as 1, 2, 3", 2011) with the seed as key.
double uniform_at(uint64_t seed, uint64_t position);

}  // namespace maru::engine
