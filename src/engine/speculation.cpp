#include "engine/speculation.h"

#include <algorithm>

namespace maru::engine {
namespace {

constexpr size_t kLeastMatch = 3;
constexpr size_t kLongestMatch = 16;  // longer ones are no better

constexpr double kWeightOfNew = 0.12;
constexpr double kLeastGain = 1.05;  // steps vary: a smaller gain may be none
constexpr uint32_t kRefusals = 64;   // then a probe
constexpr uint32_t kProbe = 3;

}  // namespace

void look_up_draft(std::span<const TokenId> tokens, size_t n_most, std::vector<TokenId>& draft) {
  const size_t n = tokens.size();
  if (n <= kLeastMatch || n_most == 0) return;
  size_t best = 0, longest = kLeastMatch - 1;
  for (size_t end = n - 1; end >= kLeastMatch; --end) {  // tokens[end - 1] is like the last one
    if (tokens[end - 1] != tokens[n - 1]) continue;
    const size_t most = std::min(end, kLongestMatch);
    size_t length = 1;
    while (length < most && tokens[end - 1 - length] == tokens[n - 1 - length]) ++length;
    if (length <= longest) continue;
    longest = length;
    best = end;
    if (length == kLongestMatch) break;
  }
  if (best == 0) return;
  // Behind the end the guesses themselves go on: a loop repeats.
  const size_t first = draft.size();
  for (size_t i = 0; i < n_most; ++i) {
    const size_t from = best + i;
    draft.push_back(from < n ? tokens[from] : draft[first + from - n]);
  }
}

uint32_t DraftGate::choose(uint32_t n_most, size_t n_rows, const StepCost& cost,
                           double us_per_guess) {
  n_most = std::min(n_most, kMost);
  const auto rate = [&](uint32_t n, double n_tokens) {
    const double us = cost.decode_us(n_rows + n);
    return us > 0.0 ? n_tokens / (us + n * us_per_guess) : 0.0;
  };
  auto n_tokens = static_cast<double>(n_rows);
  const double plain = rate(0, n_tokens) * kLeastGain;
  double best_rate = plain, likely = 1.0;
  uint32_t best = 0;
  for (uint32_t n = 1; n <= n_most; ++n) {
    likely *= acceptance_;
    n_tokens += likely;
    const double here = rate(n, n_tokens);
    if (here > best_rate) {
      best_rate = here;
      best = n;
    }
  }
  if (best == 0 && ++n_refused_ >= kRefusals) best = std::min(n_most, kProbe);
  return best;
}

void DraftGate::learn(uint32_t n_drafted, uint32_t n_accepted) {
  n_refused_ = 0;
  for (uint32_t i = 0; i < n_accepted; ++i) acceptance_ += kWeightOfNew * (1.0 - acceptance_);
  if (n_accepted < n_drafted) acceptance_ -= kWeightOfNew * acceptance_;
}

}  // namespace maru::engine
