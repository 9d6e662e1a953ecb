#include "engine/scripted_engine.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <list>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "base/check.h"
#include "base/log.h"

namespace maru::engine {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr Scenario kScenarios[] = {
    {"plain", "a short answer with characters of one to four bytes"},
    {"slow", "the same, after a slow prompt and with pauses"},
    {"empty", "ends at once"},
    {"error", "fails after three tokens"},
    {"busy", "its queue is always full"},
    {"stall", "takes the request and says nothing until it is cancelled"},
    {"long", "goes on until the limit"},
    {"echo", "answers with the prompt's own tokens"},
    {"thinking", "thinks between marks, then answers"},
    {"tools", "thinks, calls a tool twice, writes the first one's result, then answers"},
    {"parameters", "answers with the request's parameters in words"},
};

constexpr std::string_view kPlainText = "The maru is an open hall. 마루는 열린 공간 👋🏽 ok";
constexpr std::string_view kThinkingText = "<think>\nA hall, or a floor?\n</think>\n\nA hall.";
constexpr std::string_view kToolsText =
    "<think>\nI look it up first.\n</think>\n\nI look for it.\n"
    "<tool_call>\n{\"name\": \"search\", \"arguments\": {\"query\": \"마루\", \"most\": "
    "2}}\n</tool_call>\n"
    "<tool_response>\n{\"found\": [\"an open hall\"]}\n</tool_response>\n"
    "<tool_call>\n{\"name\": \"read_page\", \"arguments\": {\"page\": 1}}\n</tool_call>\n\n"
    "A maru is an open hall.";
constexpr std::string_view kLongText = " and so on";
constexpr size_t kErrorAfter = 3;
constexpr uint32_t kSlowPromptSteps = 4;

std::string describe(const Request& request) {
  const SamplingParams& s = request.sampling;
  std::string text = fmt::format(
      "temperature={} top_k={} top_p={} min_p={} typical_p={} presence={} frequency={} "
      "repetition={} seed={} max={} top_logprobs={} bias=",
      s.temperature, s.top_k, s.top_p, s.min_p, s.typical_p, s.presence_penalty,
      s.frequency_penalty, s.repetition_penalty, s.seed, request.max_new_tokens,
      request.n_top_logprobs);
  for (const auto& [token, bias] : s.logit_bias) text += fmt::format("{}:{},", token, bias);
  return text;
}

// One request as its script.
struct Play {
  Request request;
  EventHandler handler;
  std::vector<TokenId> script;
  bool ends = true;    // after the script; else it repeats
  bool fails = false;  // after the script
  bool stalls = false;
  uint32_t n_cached = 0;
  uint32_t prompt_steps_left = 1;
  milliseconds prompt_delay{0}, token_delay{0};
  size_t n_sent = 0;
  bool cancelled = false;
  Clock::time_point due;
};

}  // namespace

std::span<const Scenario> scenarios() { return kScenarios; }

struct ScriptedEngine::Impl {
  explicit Impl(ScriptedOptions o) : options(std::move(o)) {}

  void run();
  bool step(Play& play);  // false once it is over
  Play make_play(Request request, EventHandler handler);
  void read_prompt(Play& play);
  TokenLogprob logprob_of(TokenId token, size_t position, uint32_t n_top) const;
  void finish(Play& play, FinishReason reason);

  const ScriptedOptions options;
  mutable std::mutex mutex;
  std::condition_variable changed;
  std::list<Play> plays;
  std::map<std::string, std::vector<TokenId>> last_prompts;  // by model and salt
  EngineStats stats;
  bool stopping = false;
  std::thread thread;
};

ScriptedEngine::ScriptedEngine(ScriptedOptions options)
    : impl_(std::make_unique<Impl>(std::move(options))) {
  MARU_CHECK(impl_->options.encode);
  impl_->thread = std::thread([impl = impl_.get()] { impl->run(); });
}

ScriptedEngine::~ScriptedEngine() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
  }
  impl_->changed.notify_all();
  impl_->thread.join();
}

Play ScriptedEngine::Impl::make_play(Request request, EventHandler handler) {
  Play play;
  play.token_delay = milliseconds(options.token_delay_ms);
  const std::string& scenario = request.model;
  if (scenario == "plain" || scenario == "slow" || scenario == "error") {
    play.script = options.encode(kPlainText);
  } else if (scenario == "thinking") {
    play.script = options.encode(kThinkingText);
  } else if (scenario == "tools") {
    play.script = options.encode(kToolsText);
  } else if (scenario == "long") {
    play.script = options.encode(kLongText);
    play.ends = false;
  } else if (scenario == "echo") {
    play.script = request.prompt;
  } else if (scenario == "parameters") {
    play.script = options.encode(describe(request));
  }
  if (scenario == "slow") {
    play.token_delay = milliseconds(options.slow_token_delay_ms);
    play.prompt_steps_left = kSlowPromptSteps;
    play.prompt_delay = milliseconds(options.slow_prompt_delay_ms);
  }
  if (scenario == "error") {
    play.fails = true;
    play.script.resize(std::min(play.script.size(), kErrorAfter));
  }
  play.stalls = scenario == "stall";
  auto& last = last_prompts[request.model + "\n" + request.tenant_salt];
  const size_t n_most = std::min(last.size(), request.prompt.size() - 1);
  while (play.n_cached < n_most && last[play.n_cached] == request.prompt[play.n_cached]) {
    ++play.n_cached;
  }
  if (request.want_prompt_logprobs) play.n_cached = 0;  // their logits are computed anew
  last = request.prompt;
  play.request = std::move(request);
  play.handler = std::move(handler);
  play.due = Clock::now() + play.prompt_delay;
  return play;
}

Status ScriptedEngine::submit(Request request, EventHandler handler) {
  const ScriptedOptions& options = impl_->options;
  const auto is_named = [&](const Scenario& s) { return request.model == s.name; };
  if (std::none_of(std::begin(kScenarios), std::end(kScenarios), is_named)) {
    return Error{ErrorCode::kNotFound, "no scenario '" + request.model + "'", "", "model"};
  }
  if (request.prompt.empty()) {
    return Error{ErrorCode::kInvalidArgument, "the prompt is empty", "send a token", "prompt"};
  }
  for (const TokenId id : request.prompt) {
    if (id < 0 || static_cast<uint32_t>(id) >= options.vocab_size) {
      return Error{ErrorCode::kInvalidArgument, fmt::format("token {} is unknown", id), "",
                   "prompt"};
    }
  }
  for (const auto& [id, bias] : request.sampling.logit_bias) {
    if (id < 0 || static_cast<uint32_t>(id) >= options.vocab_size) {
      return Error{ErrorCode::kInvalidArgument, fmt::format("token {} is unknown", id), "",
                   "logit_bias"};
    }
  }
  if (request.prompt.size() + request.max_new_tokens > options.context_length) {
    return Error{ErrorCode::kTooLarge,
                 fmt::format("{} + {} tokens, the context holds {}", request.prompt.size(),
                             request.max_new_tokens, options.context_length),
                 "", "prompt"};
  }
  {
    const std::lock_guard lock(impl_->mutex);
    if (request.model == "busy" || impl_->plays.size() >= options.max_running) {
      return Error{ErrorCode::kRateLimited, "the queue is full", "try again in a moment", "",
                   Reason{"server_busy"}};
    }
    impl_->plays.push_back(impl_->make_play(std::move(request), std::move(handler)));
  }
  impl_->changed.notify_all();
  return {};
}

void ScriptedEngine::cancel(RequestId id) {
  {
    const std::lock_guard lock(impl_->mutex);
    for (Play& play : impl_->plays) {
      if (play.request.id != id) continue;
      play.cancelled = true;
      play.due = Clock::now();
    }
  }
  impl_->changed.notify_all();
}

std::vector<EngineModel> ScriptedEngine::models() const {
  std::vector<EngineModel> models;
  for (const Scenario& scenario : kScenarios) {
    models.push_back({scenario.name, impl_->options.context_length, impl_->options.vocab_size});
  }
  return models;
}

EngineStats ScriptedEngine::stats() const {
  const std::lock_guard lock(impl_->mutex);
  EngineStats stats = impl_->stats;
  stats.n_running = impl_->plays.size();
  return stats;
}

// Plays the earliest event that is due. Handlers are called without the lock; only this thread
// removes plays, so that a reference stays good.
void ScriptedEngine::Impl::run() {
  std::unique_lock lock(mutex);
  while (true) {
    const auto next = std::min_element(plays.begin(), plays.end(),
                                       [](const Play& a, const Play& b) { return a.due < b.due; });
    if (next == plays.end()) {
      if (stopping) return;
      changed.wait(lock);
      continue;
    }
    if (stopping) next->cancelled = true;
    if (!next->cancelled && next->due > Clock::now()) {
      changed.wait_until(lock, next->due);
      continue;
    }
    ++stats.n_steps;
    const bool cancelled = next->cancelled;
    lock.unlock();
    bool goes_on = false;
    if (cancelled) {
      finish(*next, FinishReason::kCancelled);
    } else {
      goes_on = step(*next);
    }
    lock.lock();
    if (!goes_on) plays.erase(next);
  }
}

bool ScriptedEngine::Impl::step(Play& play) {
  const auto wait = [&](milliseconds delay) {
    const std::lock_guard lock(mutex);
    if (!play.cancelled) play.due = Clock::now() + delay;
  };
  if (play.prompt_steps_left > 0) {
    read_prompt(play);
    wait(play.prompt_steps_left > 0 ? play.prompt_delay : play.token_delay);
    return true;
  }
  if (play.stalls) {
    wait(std::chrono::hours(1));
    return true;
  }
  const bool at_end = play.n_sent >= play.script.size();
  if (at_end && play.fails) {
    Event event;
    event.id = play.request.id;
    event.kind = EventKind::kFailed;
    event.error = {ErrorCode::kUnavailable, "the scripted failure", "try another scenario"};
    play.handler(event);
    return false;
  }
  if (play.n_sent >= play.request.max_new_tokens) {
    finish(play, FinishReason::kLength);
    return false;
  }
  if (play.script.empty() || (at_end && play.ends)) {
    ++play.n_sent;  // the end token
    finish(play, FinishReason::kEndToken);
    return false;
  }
  Event event;
  event.id = play.request.id;
  event.kind = EventKind::kToken;
  event.token = play.script[play.n_sent % play.script.size()];
  if (play.request.want_logprobs) {
    event.logprob = logprob_of(event.token, play.n_sent, play.request.n_top_logprobs);
  }
  ++play.n_sent;
  play.handler(event);
  wait(play.token_delay);
  return true;
}

void ScriptedEngine::Impl::read_prompt(Play& play) {
  --play.prompt_steps_left;
  const std::vector<TokenId>& prompt = play.request.prompt;
  Event event;
  event.id = play.request.id;
  event.kind = EventKind::kProgress;
  const size_t n_done = prompt.size() / (play.prompt_steps_left + 1);
  event.n_prompt_done = static_cast<uint32_t>(n_done);
  if (play.prompt_steps_left == 0 && play.request.want_prompt_logprobs) {
    for (size_t i = 1; i < prompt.size(); ++i) {
      event.prompt_logprobs.push_back(logprob_of(prompt[i], i, play.request.n_top_logprobs));
    }
  }
  play.handler(event);
}

// -0.5, -1, -1.5, -2 in turn; the alternatives are the ids that follow, 0.25 apart.
TokenLogprob ScriptedEngine::Impl::logprob_of(TokenId token, size_t position,
                                              uint32_t n_top) const {
  TokenLogprob result;
  result.token = token;
  result.logprob = -0.5f * static_cast<float>(position % 4 + 1);
  for (uint32_t i = 0; i < n_top; ++i) {
    const auto id = (static_cast<uint32_t>(token) + i) % options.vocab_size;
    result.top.emplace_back(static_cast<TokenId>(id),
                            result.logprob - 0.25f * static_cast<float>(i));
  }
  return result;
}

void ScriptedEngine::Impl::finish(Play& play, FinishReason reason) {
  Event event;
  event.id = play.request.id;
  event.kind = EventKind::kFinished;
  event.reason = reason;
  event.usage.prompt_tokens = static_cast<uint32_t>(play.request.prompt.size());
  event.usage.cached_tokens = play.n_cached;
  event.usage.new_tokens = static_cast<uint32_t>(play.n_sent);
  {
    const std::lock_guard lock(mutex);
    stats.prompt_tokens += event.usage.prompt_tokens;
    stats.cached_tokens += event.usage.cached_tokens;
    stats.new_tokens += event.usage.new_tokens;
  }
  play.handler(event);
}

}  // namespace maru::engine
