// What sampling costs: its share of a step that generates one token.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "apps/load.h"
#include "base/result.h"
#include "engine/engine.h"

namespace maru::apps {

// "top_k=64,top_p=0.95": names of SamplingParams' numbers, the others neutral. Errors:
// kInvalidArgument (an unknown name, no number, a value out of range).
Result<engine::SamplingParams> parse_sampling(const std::string& text, uint32_t vocab_size);

struct SamplingShare {
  double step_ms = 0.0;      // median of steps that yield logits and nothing else
  double sampling_ms = 0.0;  // median of what sampling adds to one, in the step and behind it
  double share = 0.0;        // of the whole
};

// Generates `n_tokens` tokens and computes every step twice, with and without sampling, in turns.
// Errors: kInternal when a logit is not finite.
Result<SamplingShare> measure_sampling(SoloModel& model, const engine::SamplingParams& params,
                                       uint32_t n_tokens);

}  // namespace maru::apps
