#include "engine/drafter.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "engine/logit_row.h"
#include "kernels/dispatch.h"

namespace maru::engine {
namespace {

constexpr double kWeightOfNew = 0.1;
// A guess that this model itself finds less likely is rarely worth a row.
constexpr double kLeastLikely = 0.4;
constexpr float kSumScale = 1.0f;  // of the probabilities: temperature 1

}  // namespace

uint64_t Drafter::kv_bytes(const models::KvLayout& layout, uint32_t context_length) {
  // Windows keep all their pages: a text that is taken up again at an earlier place sees them.
  const uint64_t n_pages = (uint64_t{context_length} + layout.page_tokens - 1) / layout.page_tokens;
  uint64_t bytes = 0;
  for (size_t group = 0; group < layout.groups.size(); ++group)
    bytes += n_pages * KvMemory::bytes_of_page(layout, group);
  return bytes;
}

Result<std::unique_ptr<Drafter>> Drafter::create(std::unique_ptr<StepRunner> runner,
                                                 uint32_t context_length, Clock clock) {
  if (runner->max_rows() < kCatchUp) {
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("the draft model's runner takes {} rows a step, it needs {}",
                             runner->max_rows(), kCatchUp),
                 "size its workspace by Drafter::kCatchUp"};
  }
  context_length = std::min(context_length, runner->context_length());
  const models::KvLayout& layout = runner->kv_layout();
  MARU_ASSIGN_OR_RETURN(
      auto cache, KvCache::create(layout, runner->fingerprint(), kv_bytes(layout, context_length),
                                  std::min(kCatchUp, context_length)));
  return std::unique_ptr<Drafter>(
      new Drafter(std::move(runner), std::move(cache), std::move(clock)));
}

Drafter::Drafter(std::unique_ptr<StepRunner> runner, std::unique_ptr<KvCache> cache, Clock clock)
    : runner_(std::move(runner)),
      cache_(std::move(cache)),
      clock_(std::move(clock)),
      logits_(runner_->vocab_size()),
      blocks_(kernels::logit_blocks(runner_->vocab_size())) {}

Drafter::~Drafter() { cache_->release(kv_); }

void Drafter::guess(std::span<const TokenId> tokens, size_t n_most, std::vector<TokenId>& draft) {
  if (tokens.empty() || n_most == 0) return;
  follow(tokens);
  const size_t n_behind = tokens.size() - read_.size();
  const bool is_near = n_behind <= kCatchUp;
  if (!read(tokens.subspan(read_.size(), std::min<size_t>(n_behind, kCatchUp)), is_near)) return;
  if (!is_near) return;
  const auto begin = clock_();
  size_t n = 0;
  while (true) {
    const LogitRow row{logits_, blocks_, kSumScale};
    if (!is_finite(row)) break;
    const Candidate best = most_likely(row);
    if (std::exp(-log_sum_exp(row, best.logit)) < kLeastLikely) break;
    draft.push_back(best.id);
    if (++n == n_most || !read({&draft.back(), 1}, true)) break;
  }
  if (n < 2) return;
  const std::chrono::duration<double, std::micro> time = clock_() - begin;
  const double us = time.count() / static_cast<double>(n);
  us_per_guess_ = us_per_guess_ == 0.0 ? us : us_per_guess_ + kWeightOfNew * (us - us_per_guess_);
}

// Keeps what `tokens` begins with; their last one is always read again, for its logits.
void Drafter::follow(std::span<const TokenId> tokens) {
  const size_t n = std::min(read_.size(), tokens.size() - 1);
  const auto different =
      std::mismatch(read_.begin(), read_.begin() + static_cast<ptrdiff_t>(n), tokens.begin());
  read_.resize(static_cast<size_t>(different.first - read_.begin()));
}

// False if the text is too long.
bool Drafter::read(std::span<const TokenId> tokens, bool wants_logits) {
  const auto first = static_cast<uint32_t>(read_.size());
  const auto end = first + static_cast<uint32_t>(tokens.size());
  if (end > runner_->context_length() || cache_->grow(kv_, end) < end) return false;
  models::StepSequence s;
  s.tokens = tokens;
  s.first_position = first;
  s.logits = wants_logits ? models::LogitsWanted::kLast : models::LogitsWanted::kNone;
  s.sum_scale = kSumScale;
  for (const auto& pointers : kv_.pointers) s.pages.emplace_back(pointers);
  runner_->run({&s, 1}, logits_.data(), blocks_.data());
  read_.insert(read_.end(), tokens.begin(), tokens.end());
  return true;
}

}  // namespace maru::engine
