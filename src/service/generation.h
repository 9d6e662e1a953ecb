// From native requests (messages or text, in words) to answers (text, usage), over an engine:
// template, tokens, limits, stop strings and whole characters. Knows no wire format and no socket.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/json_fwd.h"
#include "base/result.h"
#include "engine/engine.h"
#include "service/identity.h"
#include "service/model_pool.h"
#include "service/served_model.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace maru::service {

struct ChatPrompt {
  std::shared_ptr<const Json> messages;  // validated by the api layer
  std::shared_ptr<const Json> tools;     // or null
  std::shared_ptr<const Json> extra;     // chat_template_kwargs, or null
};
using Prompt = std::variant<ChatPrompt, std::string, std::vector<text::TokenId>>;

struct GenerationRequest {
  std::string model;
  Identity identity;  // whose it is: fairness, limits, what cached prefixes it may share
  Prompt prompt;
  std::string begun;                      // of the answer to a chat: it goes on from here
  std::optional<uint32_t> max_tokens;     // none: what the context leaves
  std::optional<uint32_t> context_limit;  // less context than the model has, for this caller
  std::vector<std::string> stop;
  bool ignore_eos = false;  // end tokens are generated like any other; stop strings still end
  engine::SamplingParams sampling;
  bool logprobs = false;
  uint32_t n_top_logprobs = 0;
  bool echo = false;  // the prompt's text (and logprobs, if wanted) comes first
};

struct TextLogprob {
  std::string bytes;  // of this token
  float logprob = 0.0f;
  bool has_logprob = true;  // false for the first token of an echoed prompt
  text::TokenId token = 0;
  std::vector<std::pair<std::string, float>> top;  // bytes, logprob
};

enum class FinishReason { kStop, kLength, kCancelled };

struct GenerationEvent {
  enum class Kind { kProgress, kText, kFinished, kFailed };
  Kind kind = Kind::kProgress;
  uint32_t n_prompt_done = 0, n_prompt = 0;  // kProgress
  std::string text;                          // kText: whole characters only
  std::vector<TextLogprob> logprobs;         // kText
  uint32_t n_new_tokens = 0;                 // kText: generated up to here
  uint32_t n_reasoning_tokens = 0;  // kText, kFinished: of those, between marks of thinking
  FinishReason reason = FinishReason::kStop;  // kFinished
  engine::Usage usage;                        // kFinished
  Error error;                                // kFailed
};
// Called on the engine's thread, in order; must be quick (post to your own executor). The last
// event is exactly one kFinished or kFailed.
using GenerationHandler = std::function<void(const GenerationEvent&)>;

// A request that only has to be submitted: its prompt in tokens, what its answer may take.
struct PreparedRequest {
  uint32_t n_prompt = 0;
  struct Parts;
  std::shared_ptr<Parts> parts;
};

// Thread-safe. The destructor cancels what still runs; the engine may call those handlers until it
// has confirmed.
class GenerationService {
 public:
  GenerationService(std::shared_ptr<engine::Engine> engine, std::shared_ptr<ModelPool> models);
  // Of models that the engine has for good.
  GenerationService(std::shared_ptr<engine::Engine> engine, std::vector<ServedModel> models);
  ~GenerationService();

  // Which models there are. A request names one as ModelPool::resolve() does.
  ModelPool& models() const;

  // Renders and tokenises. The model stays loaded until the request has ended or is dropped.
  // Errors: kNotFound, kUnavailable (it is not loaded: ModelPool::open() it first),
  // kInvalidArgument (template, with `param`), kTooLarge (context, with the counts).
  Result<PreparedRequest> prepare(GenerationRequest request) const;
  // Starts an answer, once; the id cancels it. Quick. Errors: those of engine::Engine::submit.
  Result<uint64_t> submit(PreparedRequest request, GenerationHandler handler);
  // Both. Errors: theirs.
  Result<uint64_t> start(GenerationRequest request, GenerationHandler handler);
  void cancel(uint64_t id);

  // The prompt as tokens, by the same path as start() (for /tokenize and /apply-template).
  Result<std::vector<text::RenderedPiece>> render_chat(const ServedModel& model,
                                                       const ChatPrompt& prompt,
                                                       bool add_generation_prompt = true) const;
  // The ids that start() would read for `prompt`: bos where the model wants one, never twice.
  // Errors as start(), the context's length left aside.
  Result<std::vector<text::TokenId>> prompt_tokens(const ServedModel& model,
                                                   const Prompt& prompt) const;
  engine::EngineStats engine_stats() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace maru::service
