// typical_p: keeps the tokens whose surprise is nearest to the entropy, until their probabilities
// reach typical_p (Meister et al., "Locally typical sampling", 2022).
#include "engine/sampler_tools.h"

namespace maru::engine {
namespace {

bool is_active(const SamplingParams& params) { return params.typical_p < 1.0f; }

void cut(const SamplerContext& context, std::vector<Candidate>& candidates) {
  const float max = max_logit(candidates);
  const double log_sum = log_sum_exp(candidates, max);
  const auto log_probability = [&](const Candidate& c) {
    return static_cast<double>(c.logit - max) - log_sum;
  };
  double entropy = 0.0;
  for (const Candidate& c : candidates) {
    const double p = std::exp(log_probability(c));
    if (p > 0.0) entropy -= p * log_probability(c);
  }
  const auto distance = [&](const Candidate& c) {
    return std::fabs(-log_probability(c) - entropy);
  };
  keep_mass(
      candidates, static_cast<double>(context.params.typical_p),
      [&](const Candidate& a, const Candidate& b) {
        const double da = distance(a), db = distance(b);
        return da != db ? da < db : more_likely(a, b);
      },
      [&](const Candidate& c) { return std::exp(log_probability(c)); });
}

}  // namespace

extern const SamplerStep sampler_typical_p;
const SamplerStep sampler_typical_p{"typical_p", 500, is_active, nullptr, cut};

}  // namespace maru::engine
