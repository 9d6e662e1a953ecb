#include "service/generation.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>
#include <unordered_set>
#include <utility>

#include "base/bounded_queue.h"
#include "base/log.h"
#include "service/answer.h"

namespace maru::service {
namespace {

constexpr size_t kCancelQueue = size_t{1} << 16;

int64_t unix_seconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string spelling(const text::Tokenizer& tokenizer, std::optional<text::TokenId> id) {
  return id ? std::string(tokenizer.token_text(*id)) : std::string();
}

// Templates write the first token themselves; a second one would change the model's answer.
void begin_with_bos(const text::Tokenizer& tokenizer, std::vector<text::TokenId>& tokens) {
  const auto bos = tokenizer.bos();
  if (!bos || !tokenizer.adds_bos()) return;
  if (tokens.empty() || tokens.front() != *bos) tokens.insert(tokens.begin(), *bos);
}

Result<std::vector<text::TokenId>> chat_tokens(const ServedModel& model,
                                               const std::vector<text::RenderedPiece>& pieces) {
  std::vector<text::Segment> segments;
  segments.reserve(pieces.size());
  for (const text::RenderedPiece& piece : pieces) segments.push_back({piece.text, piece.trusted});
  std::vector<text::TokenId> tokens = model.tokenizer->encode(segments);
  begin_with_bos(*model.tokenizer, tokens);
  if (tokens.empty()) {
    return Error{ErrorCode::kInvalidArgument, "the chat template made an empty prompt",
                 "send at least one message", "messages", Reason{"nothing_to_answer"}};
  }
  return tokens;
}

Result<std::vector<text::TokenId>> text_tokens(const ServedModel& model, const std::string& text) {
  std::vector<text::TokenId> tokens = model.tokenizer->encode(text);
  begin_with_bos(*model.tokenizer, tokens);
  // A model continues from its first token where nothing is given.
  if (tokens.empty() && model.tokenizer->bos()) tokens.push_back(*model.tokenizer->bos());
  if (tokens.empty()) {
    return Error{ErrorCode::kInvalidArgument, "the prompt is empty",
                 "this model has no token to begin with; send some text", "prompt"};
  }
  return tokens;
}

Status check_ids(const ServedModel& model, const std::vector<text::TokenId>& ids) {
  if (ids.empty()) {
    return Error{ErrorCode::kInvalidArgument, "the prompt holds no token ids",
                 "send at least one id", "prompt"};
  }
  const auto size = static_cast<int64_t>(model.tokenizer->size());
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] < 0 || ids[i] >= size) {
      return Error{ErrorCode::kInvalidArgument,
                   fmt::format("token id {} at index {} is not in the vocabulary", ids[i], i),
                   fmt::format("ids of model \"{}\" are 0 to {}", model.name, size - 1),
                   fmt::format("prompt[{}]", i)};
    }
  }
  return {};
}

// Tokens that the answer may take. Nothing is ever cut: what does not fit is refused with the
// counts.
Result<uint32_t> answer_budget(uint64_t context, size_t n_prompt,
                               std::optional<uint32_t> max_tokens, const char* param) {
  const uint64_t wanted = max_tokens.value_or(1);
  if (n_prompt + wanted > context) {
    const std::string counts =
        max_tokens ? fmt::format("{} tokens ({} in the {}, {} in the completion)",
                                 n_prompt + wanted, n_prompt, param, wanted)
                   : fmt::format("{} tokens in the {} and room for an answer", n_prompt, param);
    return Error{ErrorCode::kTooLarge,
                 fmt::format("This model's maximum context length is {} tokens. However, you "
                             "requested {}.",
                             context, counts),
                 fmt::format("shorten the {} or lower max_tokens", param), param,
                 Reason{"context_full", {{"context", context}, {"needed", n_prompt + wanted}}}};
  }
  return max_tokens ? *max_tokens : static_cast<uint32_t>(context - n_prompt);
}

// The last bytes of a prompt, control tokens spelt out.
std::string end_of(const text::Tokenizer& tokenizer, const std::vector<text::TokenId>& tokens) {
  std::string end;
  for (auto it = tokens.rbegin();
       it != tokens.rend() && end.size() < ReasoningCounter::kMaxPromptEnd; ++it) {
    end.insert(0,
               tokenizer.is_control(*it) ? tokenizer.token_text(*it) : tokenizer.token_bytes(*it));
  }
  return end;
}

// The prompt and what of the answer is there already.
Result<std::vector<text::TokenId>> tokens_with(const GenerationService& service,
                                               const ServedModel& model, const Prompt& prompt,
                                               const std::string& begun) {
  if (begun.empty()) return service.prompt_tokens(model, prompt);
  MARU_ASSIGN_OR_RETURN(auto pieces, service.render_chat(model, std::get<ChatPrompt>(prompt)));
  pieces.push_back({begun, false});
  return chat_tokens(model, pieces);
}

// What outlives the service while the engine still calls handlers.
struct Running {
  std::mutex mutex;
  std::unordered_set<engine::RequestId> ids;
  // A handler must not call the engine; it leaves the ids that met a stop string here.
  BoundedQueue<engine::RequestId> to_cancel{kCancelQueue};

  void remove(engine::RequestId id) {
    const std::lock_guard lock(mutex);
    ids.erase(id);
  }
};

}  // namespace

struct PreparedRequest::Parts {
  engine::Request request;
  AnswerOptions options;
  ModelUse model;
};

struct GenerationService::Impl {
  std::shared_ptr<engine::Engine> engine;
  std::shared_ptr<ModelPool> models;
  std::atomic<uint64_t> next_id{1};
  std::shared_ptr<Running> running = std::make_shared<Running>();
  std::thread canceller;

  Impl(std::shared_ptr<engine::Engine> an_engine, std::shared_ptr<ModelPool> some_models)
      : engine(std::move(an_engine)), models(std::move(some_models)) {
    canceller = std::thread([queue = running, target = engine.get()] {
      while (const auto id = queue->to_cancel.pop()) target->cancel(*id);
    });
  }

  ~Impl() {
    running->to_cancel.close();
    canceller.join();
    std::vector<engine::RequestId> left;
    {
      const std::lock_guard lock(running->mutex);
      left.assign(running->ids.begin(), running->ids.end());
    }
    for (const engine::RequestId id : left) engine->cancel(id);
  }

  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
};

GenerationService::GenerationService(std::shared_ptr<engine::Engine> engine,
                                     std::vector<ServedModel> models)
    : GenerationService(std::move(engine), std::make_shared<ModelPool>(std::move(models))) {}

GenerationService::GenerationService(std::shared_ptr<engine::Engine> engine,
                                     std::shared_ptr<ModelPool> models)
    : impl_(std::make_shared<Impl>(std::move(engine), std::move(models))) {}

GenerationService::~GenerationService() = default;

ModelPool& GenerationService::models() const { return *impl_->models; }

Result<std::vector<text::RenderedPiece>> GenerationService::render_chat(
    const ServedModel& model, const ChatPrompt& prompt, bool add_generation_prompt) const {
  if (!model.chat_template) {
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("model \"{}\" has no chat template, so it can't chat", model.name),
                 "use completions, or name a template in the setting default_chat_template "
                 "(chatml, plain or a file)",
                 "messages", Reason{"no_chat_template", {{"model", model.name}}}};
  }
  text::TemplateInput input;
  input.messages = prompt.messages.get();
  input.tools = prompt.tools.get();
  input.extra = prompt.extra.get();
  input.add_generation_prompt = add_generation_prompt;
  input.bos_token = spelling(*model.tokenizer, model.tokenizer->bos());
  input.eos_token = spelling(*model.tokenizer, model.tokenizer->eos());
  input.now_unix_seconds = unix_seconds();
  auto pieces = model.chat_template->render(input);
  if (!pieces && pieces.error().param.empty()) pieces.error().param = "messages";
  return pieces;
}

Result<std::vector<text::TokenId>> GenerationService::prompt_tokens(const ServedModel& model,
                                                                    const Prompt& prompt) const {
  if (const auto* ids = std::get_if<std::vector<text::TokenId>>(&prompt)) {
    MARU_RETURN_IF_ERROR(check_ids(model, *ids));
    return *ids;
  }
  if (const auto* text = std::get_if<std::string>(&prompt)) return text_tokens(model, *text);
  MARU_ASSIGN_OR_RETURN(const auto pieces, render_chat(model, std::get<ChatPrompt>(prompt)));
  return chat_tokens(model, pieces);
}

Result<PreparedRequest> GenerationService::prepare(GenerationRequest request) const {
  ModelUse model = impl_->models->use(request.model);
  if (model == nullptr && !impl_->models->resolve(request.model)) {
    return Error{ErrorCode::kNotFound,
                 fmt::format("The model '{}' does not exist here", request.model),
                 "the list of models says what is served", "model",
                 Reason{"model_unknown", {{"model", request.model}}}};
  }
  if (model == nullptr) {
    return Error{
        ErrorCode::kUnavailable, fmt::format("the model '{}' is not loaded", request.model),
        "try again in a moment", "model", Reason{"model_not_loaded", {{"model", request.model}}}};
  }
  const bool is_chat = std::holds_alternative<ChatPrompt>(request.prompt);
  MARU_ASSIGN_OR_RETURN(std::vector<text::TokenId> tokens,
                        tokens_with(*this, *model, request.prompt, request.begun));
  MARU_ASSIGN_OR_RETURN(
      const uint32_t budget,
      answer_budget(
          std::min(model->context_length, request.context_limit.value_or(model->context_length)),
          tokens.size(), request.max_tokens, is_chat ? "messages" : "prompt"));

  auto parts = std::make_shared<PreparedRequest::Parts>();
  engine::Request& wanted = parts->request;
  wanted.model = model->name;
  wanted.caller = std::move(request.identity.caller);
  wanted.tenant_salt = std::move(request.identity.tenant_salt);
  wanted.max_new_tokens = budget;
  if (!request.ignore_eos) wanted.end_tokens = model->end_tokens;
  wanted.sampling = std::move(request.sampling);
  wanted.want_logprobs = request.logprobs;
  wanted.want_prompt_logprobs = request.logprobs && request.echo;
  wanted.n_top_logprobs = request.n_top_logprobs;

  AnswerOptions& options = parts->options;
  options.stop = std::move(request.stop);
  options.logprobs = request.logprobs;
  options.starts_text = is_chat && request.begun.empty();
  options.echo = request.echo;
  if (request.echo) {
    options.prompt = tokens;
    if (auto* text = std::get_if<std::string>(&request.prompt))
      options.echo_text = std::move(*text);
  }
  options.n_prompt = static_cast<uint32_t>(tokens.size());
  options.prompt_end = end_of(*model->tokenizer, tokens);
  wanted.prompt = std::move(tokens);
  parts->model = std::move(model);
  return PreparedRequest{options.n_prompt, std::move(parts)};
}

Result<uint64_t> GenerationService::submit(PreparedRequest request, GenerationHandler handler) {
  PreparedRequest::Parts& parts = *request.parts;
  const engine::RequestId id = impl_->next_id.fetch_add(1, std::memory_order_relaxed);
  parts.request.id = id;
  {
    const std::lock_guard lock(impl_->running->mutex);
    impl_->running->ids.insert(id);
  }
  auto answer = std::make_shared<Answer>(parts.model->tokenizer, std::move(parts.options),
                                         std::move(handler));
  // The engine drops the handler after the last event, and with it the use of the model.
  auto on_event = [answer, model = std::move(parts.model),
                   running = impl_->running](const engine::Event& event) {
    switch (answer->take(event)) {
      case AnswerState::kGoing: break;
      case AnswerState::kStopMet:
        if (!running->to_cancel.try_push(engine::RequestId{event.id})) {
          log_warning("request {}: too many stops at once; it runs to its limit", event.id);
        }
        break;
      case AnswerState::kEnded: running->remove(event.id); break;
    }
  };
  if (auto status = impl_->engine->submit(std::move(parts.request), std::move(on_event)); !status) {
    impl_->running->remove(id);
    return std::move(status).error();
  }
  return id;
}

Result<uint64_t> GenerationService::start(GenerationRequest request, GenerationHandler handler) {
  MARU_ASSIGN_OR_RETURN(PreparedRequest prepared, prepare(std::move(request)));
  return submit(std::move(prepared), std::move(handler));
}

void GenerationService::cancel(uint64_t id) { impl_->engine->cancel(id); }

engine::EngineStats GenerationService::engine_stats() const { return impl_->engine->stats(); }

}  // namespace maru::service
