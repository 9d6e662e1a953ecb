// top_k: keeps the k most likely tokens, by selection rather than by sorting the vocabulary.
#include <algorithm>

#include "engine/sampler.h"

namespace maru::engine {
namespace {

bool is_active(const SamplingParams& params) { return params.top_k > 0; }

void cut(const SamplerContext& context, std::vector<Candidate>& candidates) {
  keep_best(static_cast<size_t>(context.params.top_k), candidates);
  // Later steps sum up in this order, whatever candidates there were.
  std::sort(candidates.begin(), candidates.end(),
            [](const Candidate& a, const Candidate& b) { return a.id < b.id; });
}

}  // namespace

extern const SamplerStep sampler_top_k;
const SamplerStep sampler_top_k{"top_k", 300, is_active, nullptr, cut, false};

}  // namespace maru::engine
