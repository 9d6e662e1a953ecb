// top_k: keeps the k most likely tokens, by selection rather than by sorting the vocabulary.
#include "engine/sampler_tools.h"

namespace maru::engine {
namespace {

bool is_active(const SamplingParams& params) { return params.top_k > 0; }

void apply(const SamplerContext& context, std::vector<Candidate>& candidates) {
  const auto k = static_cast<size_t>(context.params.top_k);
  if (k >= candidates.size()) return;
  std::nth_element(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(k),
                   candidates.end(), more_likely);
  candidates.resize(k);
}

}  // namespace

extern const SamplerStep sampler_top_k;
const SamplerStep sampler_top_k{"top_k", 400, is_active, apply};

}  // namespace maru::engine
