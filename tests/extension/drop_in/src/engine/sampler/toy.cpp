// Dropped in by tests/extension: under one seed, every draw gives the most likely token.
#include "engine/sampler_tools.h"

namespace maru::engine {
namespace {

bool is_active(const SamplingParams& params) { return params.seed == 424242; }

void cut(const SamplerContext&, std::vector<Candidate>& candidates) {
  const Candidate best = *std::min_element(candidates.begin(), candidates.end(), more_likely);
  candidates.assign(1, best);
}

}  // namespace

extern const SamplerStep sampler_toy;
const SamplerStep sampler_toy{"toy", 900, is_active, nullptr, cut};

}  // namespace maru::engine
