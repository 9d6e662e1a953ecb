// logit_bias: adds the caller's amount to the logits of the tokens it names.
#include "engine/sampler.h"

namespace maru::engine {
namespace {

bool is_active(const SamplingParams& params) { return !params.logit_bias.empty(); }

void adjust(const SamplerContext& context, std::span<float> logits) {
  for (const auto& [token, bias] : context.params.logit_bias) {
    logits[static_cast<size_t>(token)] += bias;
  }
}

}  // namespace

extern const SamplerStep sampler_logit_bias;
const SamplerStep sampler_logit_bias{"logit_bias", 100, is_active, adjust, nullptr};

}  // namespace maru::engine
