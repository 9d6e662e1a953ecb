// temperature: divides the logits. They are first shifted so that the largest is 0 (softmax does
// not change), so that a tiny temperature sends the others towards minus infinity and none above.
#include "engine/sampler_tools.h"

namespace maru::engine {
namespace {

bool is_active(const SamplingParams& params) { return params.temperature != 1.0f; }

void apply(const SamplerContext& context, std::vector<Candidate>& candidates) {
  const float max = max_logit(candidates);
  for (Candidate& c : candidates) c.logit = (c.logit - max) / context.params.temperature;
}

}  // namespace

extern const SamplerStep sampler_temperature;
const SamplerStep sampler_temperature{"temperature", 300, is_active, apply};

}  // namespace maru::engine
