// An engine without weights for tests of everything above it: each model it serves is a scenario,
// played deterministically.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.h"

namespace maru::engine {

struct Scenario {
  const char* name;  // the model's name
  const char* summary;
};
// plain, slow, empty, error, busy, stall, long, echo, thinking, tools, parameters.
std::span<const Scenario> scenarios();

struct ScriptedOptions {
  // Turns the scripts' words into ids; needed.
  std::function<std::vector<TokenId>(std::string_view)> encode;
  uint32_t vocab_size = 0;
  uint32_t context_length = 2048;
  uint32_t max_running = 64;  // further requests are answered kRateLimited
  uint32_t token_delay_ms = 1;
  uint32_t slow_token_delay_ms = 50;
  uint32_t slow_prompt_delay_ms = 500;
};

// Probabilities are a fixed function of the position; cached_tokens is what a prompt shares with
// the last one of the same model and salt. Sampling parameters change nothing but the words of
// "parameters", which spells them out. Thread-safe.
class ScriptedEngine final : public Engine {
 public:
  explicit ScriptedEngine(ScriptedOptions options);
  ~ScriptedEngine() override;  // running requests finish as kCancelled

  Status submit(Request request, EventHandler handler) override;
  void cancel(RequestId id) override;
  std::vector<EngineModel> models() const override;
  EngineStats stats() const override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace maru::engine
