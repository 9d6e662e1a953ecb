// A small model that guesses what a large one of the same vocabulary will say (Leviathan et al.,
// 2023; see speculation.h). It follows one text at a time: asked about another, it goes on from
// what both begin with and forgets the rest.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "engine/kv_cache.h"
#include "engine/step_runner.h"

namespace maru::engine {

// Not thread-safe.
class Drafter {
 public:
  using Clock = std::function<std::chrono::steady_clock::time_point()>;

  // Tokens that one call reads of a text it does not know yet, so that no step waits for it long.
  static constexpr uint32_t kCatchUp = 128;

  // `context_length`: of the longest text to follow; a longer one gets no guesses. Errors: those of
  // KvCache::create, and kInvalidArgument (a runner for fewer than kCatchUp rows a step).
  static Result<std::unique_ptr<Drafter>> create(std::unique_ptr<StepRunner> runner,
                                                 uint32_t context_length, Clock clock);
  // Bytes of the KV pages for such a text.
  static uint64_t kv_bytes(const models::KvLayout& layout, uint32_t context_length);
  ~Drafter();

  // Appends the tokens that this model finds most likely behind `tokens`, at most `n_most`: fewer
  // when it grows unsure, none while it is still reading.
  void guess(std::span<const TokenId> tokens, size_t n_most, std::vector<TokenId>& draft);

  uint32_t vocab_size() const { return runner_->vocab_size(); }
  // A running average; 0 before the first guess.
  double us_per_guess() const { return us_per_guess_; }

 private:
  Drafter(std::unique_ptr<StepRunner> runner, std::unique_ptr<KvCache> cache, Clock clock);
  bool read(std::span<const TokenId> tokens, bool wants_logits);
  void follow(std::span<const TokenId> tokens);

  const std::unique_ptr<StepRunner> runner_;
  const std::unique_ptr<KvCache> cache_;
  const Clock clock_;
  std::vector<TokenId> read_;  // whose rows are in kv_
  SequenceKv kv_;
  std::vector<float> logits_;                // [vocab_size]
  std::vector<kernels::LogitBlock> blocks_;  // of logits_
  double us_per_guess_ = 0.0;
};

}  // namespace maru::engine
