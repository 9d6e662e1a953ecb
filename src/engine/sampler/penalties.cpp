// penalties: repetition (on prompt and answer; Keskar et al., "CTRL", 2019: positive logits are
// divided, negative ones multiplied), then frequency and presence (on the answer, as OpenAI's API
// defines them: logit - count * frequency - (count > 0) * presence).
#include "engine/sampler.h"

namespace maru::engine {
namespace {

bool is_active(const SamplingParams& params) {
  return params.presence_penalty != 0.0f || params.frequency_penalty != 0.0f ||
         params.repetition_penalty != 1.0f;
}

void adjust(const SamplerContext& context, std::span<float> logits) {
  const SamplingParams& params = context.params;
  const auto repeat = [&](TokenId token) {
    float& logit = logits[static_cast<size_t>(token)];
    logit = logit > 0.0f ? logit / params.repetition_penalty : logit * params.repetition_penalty;
  };
  if (params.repetition_penalty != 1.0f) {
    for (const TokenId token : context.prompt) repeat(token);
    for (const auto& [token, count] : context.generated) {
      if (!context.prompt.contains(token)) repeat(token);
    }
  }
  for (const auto& [token, count] : context.generated) {
    logits[static_cast<size_t>(token)] -=
        static_cast<float>(count) * params.frequency_penalty + params.presence_penalty;
  }
}

}  // namespace

extern const SamplerStep sampler_penalties;
const SamplerStep sampler_penalties{"penalties", 200, is_active, adjust, nullptr};

}  // namespace maru::engine
