// top_p: keeps the fewest most likely tokens whose probabilities reach top_p (Holtzman et al.,
// "The curious case of neural text degeneration", 2020).
#include "engine/sampler_tools.h"

namespace maru::engine {
namespace {

bool is_active(const SamplingParams& params) { return params.top_p < 1.0f; }

void cut(const SamplerContext& context, std::vector<Candidate>& candidates) {
  const float max = max_logit(candidates);
  const double log_sum = context.log_sum ? *context.log_sum : log_sum_exp(candidates, max);
  keep_mass(
      candidates, static_cast<double>(context.params.top_p), more_likely,
      [&](const Candidate& c) { return std::exp(static_cast<double>(c.logit - max) - log_sum); });
}

}  // namespace

extern const SamplerStep sampler_top_p;
const SamplerStep sampler_top_p{"top_p", 600, is_active, nullptr, cut, false};

}  // namespace maru::engine
