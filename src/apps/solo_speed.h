// The two loops that speed is measured with: a prompt read in steps, and tokens generated one by
// one. Shared by 'maru bench' and 'maru recommend'.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "apps/load.h"

namespace maru::apps {

inline constexpr size_t kSoloStepTokens = 512;

// Any tokens do: time depends on their number alone. A fixed walk through the vocabulary.
std::vector<int32_t> some_tokens(size_t n, uint32_t n_vocab);

// From an empty cache, in steps of kSoloStepTokens; leaves the tokens in it. `logits`: [n_vocab].
void read_prompt(SoloModel& model, std::span<const int32_t> tokens, std::span<float> logits);

// tokens[depth ..], one a step, behind the `depth` tokens that are in the cache.
void generate_tokens(SoloModel& model, std::span<const int32_t> tokens, size_t depth,
                     std::span<float> logits);

double tokens_per_second(size_t n_tokens, const std::function<void()>& work);

}  // namespace maru::apps
