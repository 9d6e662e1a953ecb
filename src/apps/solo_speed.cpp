#include "apps/solo_speed.h"

#include <algorithm>
#include <chrono>

namespace maru::apps {

std::vector<int32_t> some_tokens(size_t n, uint32_t n_vocab) {
  std::vector<int32_t> tokens(n);
  uint64_t state = 1;
  for (int32_t& token : tokens) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    token = static_cast<int32_t>((state >> 33) % n_vocab);
  }
  return tokens;
}

void read_prompt(SoloModel& model, std::span<const int32_t> tokens, std::span<float> logits) {
  for (size_t at = 0; at < tokens.size(); at += kSoloStepTokens) {
    const size_t count = std::min(kSoloStepTokens, tokens.size() - at);
    const bool is_last = at + count == tokens.size();
    model.run(tokens.subspan(at, count), static_cast<uint32_t>(at),
              is_last ? models::LogitsWanted::kLast : models::LogitsWanted::kNone, logits.data());
  }
}

void generate_tokens(SoloModel& model, std::span<const int32_t> tokens, size_t depth,
                     std::span<float> logits) {
  for (size_t at = depth; at < tokens.size(); ++at) {
    model.run(tokens.subspan(at, 1), static_cast<uint32_t>(at), models::LogitsWanted::kLast,
              logits.data());
  }
}

double tokens_per_second(size_t n_tokens, const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
  return static_cast<double>(n_tokens) / taken.count();
}

}  // namespace maru::apps
