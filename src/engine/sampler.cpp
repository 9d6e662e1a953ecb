#include "engine/sampler.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "engine/sampler_tools.h"

namespace maru::engine {

// Generated from the files in src/engine/sampler/ (cmake/registry.cmake).
extern const SamplerStep* const sampler_steps[];
extern const unsigned long sampler_steps_size;

namespace {

TokenId most_likely(const std::vector<Candidate>& candidates) {
  return std::min_element(candidates.begin(), candidates.end(), more_likely)->id;
}

// Inverts the cumulative distribution in the order of ids: the order in which the steps left the
// candidates must not matter.
TokenId draw(std::vector<Candidate>& candidates, double uniform) {
  const auto by_id = [](const Candidate& a, const Candidate& b) { return a.id < b.id; };
  if (!std::is_sorted(candidates.begin(), candidates.end(), by_id)) {
    std::sort(candidates.begin(), candidates.end(), by_id);
  }
  const float max = max_logit(candidates);
  double total = 0.0;
  for (const Candidate& c : candidates) total += std::exp(static_cast<double>(c.logit - max));
  const double target = uniform * total;
  double reached = 0.0;
  const Candidate* last_possible = nullptr;  // what rounding at the very end falls back to
  for (const Candidate& c : candidates) {
    const double weight = std::exp(static_cast<double>(c.logit - max));
    if (weight <= 0.0) continue;
    reached += weight;
    last_possible = &c;
    if (reached > target) break;
  }
  return last_possible->id;
}

Status out_of_range(const char* param, double value, const char* range) {
  return Error{ErrorCode::kInvalidArgument, fmt::format("{} is {}", param, value),
               fmt::format("{} must be {}", param, range), param};
}

}  // namespace

Error not_finite() {
  return Error{ErrorCode::kInternal, "the model computed a logit that is not finite",
               "the model file may be damaged; check its SHA-256"};
}

bool all_finite(std::span<const float> logits) {
  // x * 0 is 0 for finite x and NaN otherwise; one sum and no branch per value.
  float sum = 0.0f;
  for (const float x : logits) sum += x * 0.0f;
  return sum == 0.0f;
}

std::vector<const SamplerStep*> all_sampler_steps() {
  std::vector<const SamplerStep*> steps(sampler_steps, sampler_steps + sampler_steps_size);
  std::sort(steps.begin(), steps.end(),
            [](const SamplerStep* a, const SamplerStep* b) { return a->order < b->order; });
  return steps;
}

Status check_sampling(const SamplingParams& p, uint32_t vocab_size) {
  // Written so that NaN fails each of them.
  if (!(p.temperature >= 0.0f && p.temperature <= 1e6f)) {
    return out_of_range("temperature", static_cast<double>(p.temperature), "between 0 and 1e6");
  }
  if (p.top_k < 0) return out_of_range("top_k", p.top_k, "0 (off) or more");
  const std::pair<const char*, float> shares[] = {
      {"top_p", p.top_p}, {"min_p", p.min_p}, {"typical_p", p.typical_p}};
  for (const auto& [name, value] : shares) {
    if (!(value >= 0.0f && value <= 1.0f)) {
      return out_of_range(name, static_cast<double>(value), "between 0 and 1");
    }
  }
  const std::pair<const char*, float> penalties[] = {{"presence_penalty", p.presence_penalty},
                                                     {"frequency_penalty", p.frequency_penalty}};
  for (const auto& [name, value] : penalties) {
    if (!(std::fabs(value) <= 1e3f)) {
      return out_of_range(name, static_cast<double>(value), "between -1000 and 1000");
    }
  }
  if (!(p.repetition_penalty >= 1e-3f && p.repetition_penalty <= 1e3f)) {
    return out_of_range("repetition_penalty", static_cast<double>(p.repetition_penalty),
                        "between 0.001 and 1000");
  }
  for (const auto& [token, bias] : p.logit_bias) {
    if (token < 0 || static_cast<uint32_t>(token) >= vocab_size) {
      return Error{ErrorCode::kInvalidArgument, fmt::format("logit_bias names token {}", token),
                   fmt::format("this model's token ids are 0 to {}", vocab_size - 1), "logit_bias"};
    }
    if (!(std::fabs(bias) <= 1e3f)) {
      return out_of_range("logit_bias", static_cast<double>(bias), "between -1000 and 1000");
    }
  }
  return {};
}

Sampler::Sampler(const SamplingParams& params, std::span<const TokenId> prompt) : params_(params) {
  const bool is_greedy = params.temperature == 0.0f;
  for (const SamplerStep* step : all_sampler_steps()) {
    // The steps from temperature on never move the best token.
    if (is_greedy && step->order >= SamplerStep::kTemperature) continue;
    if (step->is_active(params)) steps_.push_back(step);
  }
  if (params.repetition_penalty != 1.0f) prompt_.insert(prompt.begin(), prompt.end());
}

Result<TokenId> Sampler::sample(std::span<const float> logits, uint32_t position) {
  if (!all_finite(logits)) return not_finite();
  candidates_.resize(logits.size());
  for (size_t i = 0; i < logits.size(); ++i) {
    candidates_[i] = {static_cast<TokenId>(i), logits[i]};
  }
  const SamplerContext context{params_, generated_, prompt_};
  for (const SamplerStep* step : steps_) step->apply(context, candidates_);
  const TokenId token = params_.temperature == 0.0f
                            ? most_likely(candidates_)
                            : draw(candidates_, uniform_at(params_.seed, position));
  ++generated_[token];
  return token;
}

Result<TokenLogprob> token_logprob(std::span<const float> logits, TokenId token, uint32_t n_top) {
  if (!all_finite(logits)) return not_finite();
  const float max = *std::max_element(logits.begin(), logits.end());
  double sum = 0.0;
  for (const float x : logits) sum += std::exp(static_cast<double>(x) - static_cast<double>(max));
  const double log_sum = std::log(sum) + static_cast<double>(max);
  const auto logprob = [&](float logit) {
    return static_cast<float>(static_cast<double>(logit) - log_sum);
  };

  TokenLogprob result{token, logprob(logits[static_cast<size_t>(token)]), {}};
  // A heap of the best so far, the worst of them on top.
  std::vector<Candidate> best;
  for (size_t i = 0; n_top > 0 && i < logits.size(); ++i) {
    const Candidate c{static_cast<TokenId>(i), logits[i]};
    if (best.size() == n_top) {
      if (!more_likely(c, best.front())) continue;
      std::pop_heap(best.begin(), best.end(), more_likely);
      best.pop_back();
    }
    best.push_back(c);
    std::push_heap(best.begin(), best.end(), more_likely);
  }
  std::sort_heap(best.begin(), best.end(), more_likely);
  for (const Candidate& c : best) result.top.emplace_back(c.id, logprob(c.logit));
  return result;
}

double uniform_at(uint64_t seed, uint64_t position) {
  uint32_t counter[4] = {static_cast<uint32_t>(position), static_cast<uint32_t>(position >> 32), 0,
                         0};
  uint32_t key[2] = {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)};
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xD2511F53} * counter[0];
    const uint64_t b = uint64_t{0xCD9E8D57} * counter[2];
    const uint32_t next[4] = {
        static_cast<uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(b),
        static_cast<uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(a)};
    std::copy(next, next + 4, counter);
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  const uint64_t bits = (uint64_t{counter[1]} << 32) | counter[0];
  return static_cast<double>(bits >> 11) * 0x1.0p-53;
}

}  // namespace maru::engine
