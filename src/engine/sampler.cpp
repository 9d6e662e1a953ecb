#include "engine/sampler.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/sampler_tools.h"

namespace maru::engine {

// Generated from the files in src/engine/sampler/ (cmake/registry.cmake).
extern const SamplerStep* const sampler_steps[];
extern const unsigned long sampler_steps_size;
extern const SamplerStep sampler_top_k;

namespace {

// 1 / temperature as the factor of block sums: finite, so that 0 times it is 0.
constexpr float kLargestScale = 1e30f;

// How far below the largest logit, over the temperature, top_p looks for its mass at first.
constexpr double kFirstDepth = 4.0;
constexpr double kLastDepth = 64.0;
// Sums in other orders may differ by this much.
constexpr double kMassMargin = 1e-6;

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
    if (!step->is_active(params)) continue;
    if (step->adjust != nullptr) adjusts_.push_back(step);
    // The cuts never move the best token.
    if (step->cut != nullptr && !is_greedy) cuts_.push_back(step);
  }
  for (const SamplerStep* step : cuts_) {
    if (step == &sampler_top_k) break;
    wants_all_ = wants_all_ || step->wants_all;
  }
  const bool cuts_by_logit =
      params.top_k > 0 || wants_all_ || (params.top_p >= 1.0f && params.min_p > 0.0f);
  if (!is_greedy && !cuts_by_logit) {
    sum_scale_ = std::min(1.0f / params.temperature, kLargestScale);
  }
  if (params.repetition_penalty != 1.0f) prompt_.insert(prompt.begin(), prompt.end());
}

Result<TokenId> Sampler::sample(std::span<const float> logits, uint32_t position) {
  return sample(sum_up(logits, sum_scale(), blocks_), position);
}

Result<TokenId> Sampler::sample(const LogitRow& row, uint32_t position) {
  if (!is_finite(row)) return not_finite();
  const TokenId token = choose(adjusted(row), position);
  ++generated_[token];
  return token;
}

// The row with the caller's penalties and biases and the sums that the cuts want.
LogitRow Sampler::adjusted(const LogitRow& row) {
  if (adjusts_.empty()) {
    const bool has_sums = sum_scale_ == 0.0f || row.sum_scale == sum_scale_;
    return has_sums ? row : sum_up(row.values, sum_scale_, blocks_);
  }
  logits_.assign(row.values.begin(), row.values.end());
  for (const SamplerStep* step : adjusts_) step->adjust(context(), logits_);
  return sum_up(logits_, sum_scale_, blocks_);
}

TokenId Sampler::choose(const LogitRow& row, uint32_t position) {
  if (params_.temperature == 0.0f) return most_likely(row).id;
  const double uniform = uniform_at(params_.seed, position);
  const bool is_whole =
      params_.top_k == 0 && params_.top_p >= 1.0f && params_.min_p <= 0.0f && !wants_all_;
  if (is_whole) return engine::draw(row, uniform);
  SamplerContext steps = context();
  steps.log_sum = find_candidates(row);
  for (const SamplerStep* step : cuts_) step->cut(steps, candidates_);
  return draw(candidates_, uniform);
}

// Candidates that may survive the cuts: those left out change nothing. For top_p, gives what they
// add to the sum of all.
std::optional<double> Sampler::find_candidates(const LogitRow& row) {
  constexpr float kAll = -std::numeric_limits<float>::infinity();
  const float largest = most_likely(row).logit;
  if (wants_all_) {
    gather(row, kAll, candidates_);
  } else if (params_.top_k > 0) {
    gather(row, least_of_best(row, static_cast<size_t>(params_.top_k)), candidates_);
  } else if (params_.top_p < 1.0f) {
    return find_mass(row, largest);
  } else {
    // exp((x - largest) / temperature) >= min_p, with room for rounding.
    const double depth = -std::log(static_cast<double>(params_.min_p)) * (1.0 + 1e-5) + 1e-5;
    const double top = static_cast<double>(largest);
    const double least =
        top - 1e-6 * std::fabs(top) - depth * static_cast<double>(params_.temperature);
    gather(row, static_cast<float>(least), candidates_);
  }
  return std::nullopt;
}

// The most likely candidates, at least as many as have the mass top_p: looks deeper until it is
// reached. Returns the log of the sum over all tokens.
double Sampler::find_mass(const LogitRow& row, float largest) {
  const double log_sum = log_sum_exp(row, largest);
  const double wanted = static_cast<double>(params_.top_p) + kMassMargin;
  const auto temper = [&](float x) { return tempered(x, largest, params_.temperature); };
  // Doubling is exact. NOLINTNEXTLINE(*.FloatLoopCounter)
  for (double depth = kFirstDepth; depth <= kLastDepth; depth *= 2) {
    const auto least = static_cast<float>(static_cast<double>(largest) -
                                          depth * static_cast<double>(params_.temperature));
    gather(row, least, candidates_);
    // A token left out may come to equal the least by temperature, and precede it by its id.
    const float edge = temper(least);
    std::erase_if(candidates_, [&](const Candidate& c) { return temper(c.logit) <= edge; });
    double mass = 0.0;
    for (const Candidate& c : candidates_) {
      mass += std::exp(static_cast<double>(temper(c.logit)) - log_sum);
    }
    if (mass >= wanted) return log_sum;
  }
  gather(row, -std::numeric_limits<float>::infinity(), candidates_);
  return log_sum;
}

Result<TokenLogprob> token_logprob(std::span<const float> logits, TokenId token, uint32_t n_top) {
  std::vector<kernels::LogitBlock> blocks;
  const LogitRow row = sum_up(logits, 1.0f, blocks);
  if (!is_finite(row)) return not_finite();
  const float largest = most_likely(row).logit;
  const double log_sum = log_sum_exp(row, largest) + static_cast<double>(largest);
  const auto logprob = [&](float logit) {
    return static_cast<float>(static_cast<double>(logit) - log_sum);
  };

  TokenLogprob result{token, logprob(logits[static_cast<size_t>(token)]), {}};
  if (n_top == 0) return result;
  std::vector<Candidate> best;
  gather(row, least_of_best(row, n_top), best);
  keep_best(n_top, best);
  std::sort(best.begin(), best.end(), more_likely);
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
