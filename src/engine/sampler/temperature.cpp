// temperature: divides the logits. It comes behind top_k, whose choice it does not change.
#include "engine/sampler_tools.h"

namespace maru::engine {
namespace {

bool is_active(const SamplingParams& params) { return params.temperature != 1.0f; }

void cut(const SamplerContext& context, std::vector<Candidate>& candidates) {
  const float max = max_logit(candidates);
  for (Candidate& c : candidates) c.logit = tempered(c.logit, max, context.params.temperature);
}

}  // namespace

extern const SamplerStep sampler_temperature;
const SamplerStep sampler_temperature{"temperature", 400, is_active, nullptr, cut, false};

}  // namespace maru::engine
