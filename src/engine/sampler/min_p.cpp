// min_p: drops tokens less likely than min_p times the most likely one (Nguyen et al., "Turning up
// the heat: min-p sampling", 2024). The ratio of two probabilities is exp of the logits'
// difference.
#include "engine/sampler_tools.h"

namespace maru::engine {
namespace {

bool is_active(const SamplingParams& params) { return params.min_p > 0.0f; }

void cut(const SamplerContext& context, std::vector<Candidate>& candidates) {
  const float max = max_logit(candidates);
  const double min_p = static_cast<double>(context.params.min_p);
  std::erase_if(candidates, [&](const Candidate& c) {
    return std::exp(static_cast<double>(c.logit - max)) < min_p;
  });
}

}  // namespace

extern const SamplerStep sampler_min_p;
const SamplerStep sampler_min_p{"min_p", 700, is_active, nullptr, cut, false};

}  // namespace maru::engine
