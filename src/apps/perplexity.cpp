#include "apps/perplexity.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace maru::apps {

double negative_log_likelihood(std::span<const float> logits, int32_t token) {
  const float largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0.0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit - largest));
  return std::log(sum) + largest - logits[static_cast<size_t>(token)];
}

Perplexity measure_perplexity(SoloModel& model, std::span<const int32_t> tokens, uint32_t context,
                              std::optional<int32_t> bos, const StepSize& step,
                              const std::function<void(const Perplexity&, size_t)>& on_chunk) {
  const size_t n_vocab = model.info().vocab_size;
  const size_t first_scored = context / 2;
  std::vector<float> logits(step.n_logit_rows * n_vocab);
  std::vector<double> losses(context);
  Perplexity out;
  double sum = 0.0;
  for (size_t chunk = 0; chunk < tokens.size() / context; ++chunk) {
    const auto source = tokens.subspan(chunk * context, context);
    std::vector<int32_t> input(source.begin(), source.end());
    if (bos) input.front() = *bos;
    size_t at = 0;
    while (at < first_scored) {
      const size_t count = std::min(step.n_tokens, first_scored - at);
      model.run(std::span(input).subspan(at, count), static_cast<uint32_t>(at),
                models::LogitsWanted::kNone, nullptr);
      at += count;
    }
    // The last token is not read: there is nothing after it to predict.
    while (at + 1 < context) {
      const size_t count = std::min(step.n_logit_rows, context - 1 - at);
      model.run(std::span(input).subspan(at, count), static_cast<uint32_t>(at),
                models::LogitsWanted::kAll, logits.data());
      model.pool().parallel_for(count, 1, [&](size_t begin, size_t end) {
        for (size_t row = begin; row < end; ++row) {
          losses[at + row] = negative_log_likelihood(
              std::span(logits).subspan(row * n_vocab, n_vocab), source[at + row + 1]);
        }
      });
      at += count;
    }
    for (size_t i = first_scored; i + 1 < context; ++i) sum += losses[i];
    out.n_tokens += context - 1 - first_scored;
    out.nll = sum / static_cast<double>(out.n_tokens);
    out.ppl = std::exp(out.nll);
    on_chunk(out, chunk + 1);
  }
  return out;
}

}  // namespace maru::apps
