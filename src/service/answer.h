// One running answer: turns the engine's events (token ids) into text events. Lives on the engine's
// thread; not thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "service/generation.h"
#include "service/reasoning.h"
#include "text/stream_decoder.h"
#include "text/tokenizer.h"

namespace maru::service {

struct AnswerOptions {
  std::vector<std::string> stop;
  bool logprobs = false;
  bool starts_text = true;  // the answer is a text of its own, not the continuation of the prompt
  bool echo = false;
  std::vector<text::TokenId> prompt;     // for echo
  std::optional<std::string> echo_text;  // the prompt as it was sent; none: it was token ids
  uint32_t n_prompt = 0;
  std::string prompt_end;  // its last bytes, marks of thinking among them
};

enum class AnswerState {
  kGoing,
  kStopMet,  // once: the engine's request is of no more use
  kEnded,    // the terminal event was given out
};

class Answer {
 public:
  Answer(std::shared_ptr<const text::Tokenizer> tokenizer, AnswerOptions options,
         GenerationHandler handler);

  AnswerState take(const engine::Event& event);

 private:
  // A token's probability waits until its text may be shown.
  struct Waiting {
    TextLogprob logprob;
    uint64_t begin = 0;  // byte of the answer where the token starts
  };

  void echo_prompt();
  void echo_logprobs(const std::vector<engine::TokenLogprob>& logprobs);
  AnswerState take_token(const engine::Event& event);
  void finish(const engine::Event& event);
  void send_text(std::string text, bool release_all);
  TextLogprob describe(const engine::TokenLogprob& logprob) const;
  std::string shown_bytes(text::TokenId id) const;

  std::shared_ptr<const text::Tokenizer> tokenizer_;
  AnswerOptions options_;
  GenerationHandler handler_;
  text::StreamDecoder decoder_;
  bool is_echo_due_;
  ReasoningCounter reasoning_;
  uint32_t n_new_ = 0;  // tokens taken up to the stop string
  std::deque<Waiting> waiting_;
  uint64_t n_bytes_taken_ = 0;  // of the tokens' own bytes
  uint64_t n_bytes_sent_ = 0;   // the same count, of what was sent
  bool is_first_text_ = true;
};

}  // namespace maru::service
