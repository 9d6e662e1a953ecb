// Counts the tokens of an answer that are a model's thinking aloud: from its beginning, between
// <think> and </think> (Qwen, DeepSeek, SmolLM3...) or [THINK] and [/THINK] (Mistral), the marks
// included. Marks are found in the tokens' own bytes, however they are cut into tokens, special or
// not. A mark that comes after other words is text. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace maru::service {

class ReasoningCounter {
 public:
  // `prompt_end`: the last bytes of the prompt; some templates open the thinking themselves.
  explicit ReasoningCounter(std::string_view prompt_end);

  // The next token's bytes.
  void add(std::string_view bytes);
  uint32_t n_tokens() const { return n_tokens_; }

  // Of the prompt's end as much matters.
  static constexpr size_t kMaxPromptEnd = 64;

 private:
  enum class State : uint8_t { kBefore, kInside, kAfter };
  void look_for_begin();
  void look_for_end();

  State state_ = State::kBefore;
  std::string_view end_mark_;
  std::string seen_;     // kBefore: all of it; kInside: what may be the beginning of the end
  uint32_t n_held_ = 0;  // tokens of which it is not known yet
  uint32_t n_tokens_ = 0;
};

// The answer as a turn that the model reads again: without the thinking behind its calls of tools
// and their results. Templates take everything up to the last end of thinking out of old answers,
// and the calls and results would go with it. The thinking at the beginning is left to the
// template.
std::string without_later_thinking(std::string_view answer);

}  // namespace maru::service
