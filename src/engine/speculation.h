// Speculation: tokens guessed ahead are computed in one step beside the known one, and those that
// the sampler would have drawn anyway are kept (Leviathan et al., "Fast inference from transformers
// via speculative decoding", 2023). The draw is a pure function of (seed, position) and a row's
// logits do not depend on the rows beside it: the answer is the same with and without.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/engine.h"
#include "engine/step_cost.h"

namespace maru::engine {

// Prompt lookup (Saxena, "Prompt lookup decoding", 2023): appends what followed the longest earlier
// occurrence of the last tokens, up to `n_most` tokens; of equally long ones the latest. Nothing
// when the last three tokens were not there before. One pass over `tokens`.
void look_up_draft(std::span<const TokenId> tokens, size_t n_most, std::vector<TokenId>& draft);

// Decides, for one sequence, how many guesses a step should bear: as many as give most tokens a
// second by the guesses accepted lately and by what steps of so many rows take; none where that
// does not pay, and then a few now and again, to see whether it would.
class DraftGate {
 public:
  static constexpr uint32_t kMost = 8;

  // At most `n_most`, in a step of `n_rows` rows without the guesses, each of which takes
  // `us_per_guess` to make.
  uint32_t choose(uint32_t n_most, size_t n_rows, const StepCost& cost, double us_per_guess = 0.0);
  void learn(uint32_t n_drafted, uint32_t n_accepted);

 private:
  double acceptance_ = 0.5;  // of a guess whose predecessors were accepted
  uint32_t n_refused_ = 0;   // since the last guess
};

}  // namespace maru::engine
