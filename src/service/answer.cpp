#include "service/answer.h"

#include <utility>

namespace maru::service {

Answer::Answer(std::shared_ptr<const text::Tokenizer> tokenizer, AnswerOptions options,
               GenerationHandler handler)
    : tokenizer_(std::move(tokenizer)),
      options_(std::move(options)),
      handler_(std::move(handler)),
      decoder_(*tokenizer_, options_.stop, false, !options_.starts_text),
      is_echo_due_(options_.echo),
      reasoning_(options_.prompt_end) {}

AnswerState Answer::take(const engine::Event& event) {
  if (is_echo_due_ && event.kind != engine::EventKind::kFailed) echo_prompt();
  switch (event.kind) {
    case engine::EventKind::kProgress: {
      if (!event.prompt_logprobs.empty()) echo_logprobs(event.prompt_logprobs);
      GenerationEvent out;
      out.kind = GenerationEvent::Kind::kProgress;
      out.n_prompt_done = event.n_prompt_done;
      out.n_prompt = options_.n_prompt;
      handler_(out);
      return AnswerState::kGoing;
    }
    case engine::EventKind::kToken: return take_token(event);
    case engine::EventKind::kFinished: finish(event); return AnswerState::kEnded;
    case engine::EventKind::kFailed: {
      GenerationEvent out;
      out.kind = GenerationEvent::Kind::kFailed;
      out.error = event.error;
      handler_(out);
      return AnswerState::kEnded;
    }
  }
  return AnswerState::kGoing;
}

AnswerState Answer::take_token(const engine::Event& event) {
  if (decoder_.stopped()) return AnswerState::kGoing;  // made before the cancel arrived
  ++n_new_;
  reasoning_.add(shown_bytes(event.token));
  if (options_.logprobs) waiting_.push_back({describe(event.logprob), n_bytes_taken_});
  n_bytes_taken_ += tokenizer_->token_bytes(event.token).size();
  std::string text = decoder_.push(event.token);
  if (!text.empty()) send_text(std::move(text), false);
  return decoder_.stopped() ? AnswerState::kStopMet : AnswerState::kGoing;
}

void Answer::finish(const engine::Event& event) {
  const bool stopped = decoder_.stopped();
  if (!stopped) {
    std::string text = decoder_.finish();
    if (!text.empty() || !waiting_.empty()) send_text(std::move(text), true);
  }
  GenerationEvent out;
  out.kind = GenerationEvent::Kind::kFinished;
  out.usage = event.usage;
  if (stopped) out.usage.new_tokens = n_new_;
  out.n_reasoning_tokens = reasoning_.n_tokens();
  switch (event.reason) {
    case engine::FinishReason::kEndToken: out.reason = FinishReason::kStop; break;
    case engine::FinishReason::kLength: out.reason = FinishReason::kLength; break;
    case engine::FinishReason::kCancelled: out.reason = FinishReason::kCancelled; break;
  }
  if (stopped) out.reason = FinishReason::kStop;
  handler_(out);
}

void Answer::echo_prompt() {
  is_echo_due_ = false;
  GenerationEvent out;
  out.kind = GenerationEvent::Kind::kText;
  if (options_.echo_text) {
    out.text = *options_.echo_text;
  } else {
    out.text = tokenizer_->decode(options_.prompt, true);
  }
  if (options_.logprobs) {
    TextLogprob first;
    first.token = options_.prompt.front();
    // A bos that was added to a text is no part of it: the tokens' bytes joined are the text.
    first.bytes = options_.echo_text ? std::string(tokenizer_->token_bytes(first.token))
                                     : shown_bytes(first.token);
    first.has_logprob = false;
    out.logprobs.push_back(std::move(first));
  }
  handler_(out);
}

void Answer::echo_logprobs(const std::vector<engine::TokenLogprob>& logprobs) {
  GenerationEvent out;
  out.kind = GenerationEvent::Kind::kText;
  for (const engine::TokenLogprob& logprob : logprobs) out.logprobs.push_back(describe(logprob));
  handler_(out);
}

// Probabilities go out with the text that their token began; those of a stop string never do.
void Answer::send_text(std::string text, bool release_all) {
  if (is_first_text_ && !text.empty()) {
    is_first_text_ = false;
    // The decoder drops the space that SentencePiece writes before a text's first word.
    const bool dropped_space = text.front() != ' ' && !waiting_.empty() &&
                               waiting_.front().begin == 0 &&
                               waiting_.front().logprob.bytes.starts_with(' ');
    if (dropped_space) n_bytes_sent_ += 1;
  }
  n_bytes_sent_ += text.size();
  GenerationEvent out;
  out.kind = GenerationEvent::Kind::kText;
  out.n_new_tokens = n_new_;
  out.n_reasoning_tokens = reasoning_.n_tokens();
  out.text = std::move(text);
  while (!waiting_.empty() && (release_all || waiting_.front().begin < n_bytes_sent_)) {
    out.logprobs.push_back(std::move(waiting_.front().logprob));
    waiting_.pop_front();
  }
  handler_(out);
}

TextLogprob Answer::describe(const engine::TokenLogprob& logprob) const {
  TextLogprob out;
  out.token = logprob.token;
  out.bytes = shown_bytes(logprob.token);
  out.logprob = logprob.logprob;
  for (const auto& [token, value] : logprob.top) out.top.emplace_back(shown_bytes(token), value);
  return out;
}

std::string Answer::shown_bytes(text::TokenId id) const {
  return std::string(tokenizer_->is_control(id) ? tokenizer_->token_text(id)
                                                : tokenizer_->token_bytes(id));
}

}  // namespace maru::service
