// Perplexity of a text, by the method of llama.cpp's perplexity tool, so that figures compare: the
// text (with bos if the model's bare prompts have one) is cut into chunks of `context` tokens, each
// read from an empty cache with its first token replaced by bos if there is one; positions from
// the middle on predict the next token and are scored. What is left at the end is not used.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>

#include "apps/load.h"

namespace maru::apps {

struct Perplexity {
  double ppl = 0.0;
  double nll = 0.0;       // mean negative log-likelihood of a token, in nats
  uint64_t n_tokens = 0;  // scored
};

// -log softmax(logits)[token], in double precision.
double negative_log_likelihood(std::span<const float> logits, int32_t token);

// `tokens` holds at least `context` (8 or more) ids of the vocabulary. `on_chunk` gets the state
// after each chunk and how many chunks are done. `step`: as the model was loaded with.
Perplexity measure_perplexity(
    SoloModel& model, std::span<const int32_t> tokens, uint32_t context, std::optional<int32_t> bos,
    const StepSize& step, const std::function<void(const Perplexity&, size_t n_chunks)>& on_chunk);

}  // namespace maru::apps
