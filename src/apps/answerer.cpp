#include "apps/answerer.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <random>
#include <utility>

#include "apps/host.h"
#include "apps/server_url.h"
#include "apps/terminal.h"
#include "base/json.h"
#include "service/generation.h"

namespace maru::apps {
namespace {

constexpr auto kPoll = std::chrono::milliseconds(50);

uint64_t random_seed() {
  std::random_device device;
  return (uint64_t{device()} << 32) | device();
}

// Events from the engine's thread, taken by ours. As long as an answer at most.
class EventQueue {
 public:
  void push(const service::GenerationEvent& event) {
    {
      const std::lock_guard lock(mutex_);
      events_.push_back(event);
    }
    changed_.notify_one();
  }

  std::optional<service::GenerationEvent> pop() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, kPoll, [this] { return !events_.empty(); });
    if (events_.empty()) return std::nullopt;
    service::GenerationEvent event = std::move(events_.front());
    events_.pop_front();
    return event;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<service::GenerationEvent> events_;
};

class EngineAnswerer final : public Answerer {
 public:
  explicit EngineAnswerer(std::unique_ptr<Host> host) : host_(std::move(host)) {}

  const std::string& model() const override { return host_->model(); }

  Result<AnswerEnd> answer(const Question& question, const AnswerHooks& hooks) override {
    service::GenerationRequest request;
    request.model = model();
    if (question.messages) {
      service::ChatPrompt prompt;
      prompt.messages = question.messages;
      request.prompt = std::move(prompt);
    } else {
      request.prompt = question.text;
    }
    request.max_tokens = question.max_tokens;
    request.sampling.temperature = question.temperature;
    request.sampling.top_p = question.top_p;
    request.sampling.seed = question.seed ? *question.seed : random_seed();

    auto events = std::make_shared<EventQueue>();
    MARU_ASSIGN_OR_RETURN(
        const uint64_t id,
        host_->service().start(std::move(request), [events](const service::GenerationEvent& event) {
          events->push(event);
        }));
    bool is_cancelled = false;
    while (true) {
      if (!is_cancelled && hooks.should_stop()) {
        is_cancelled = true;
        host_->service().cancel(id);
      }
      const auto event = events->pop();
      if (!event) continue;
      switch (event->kind) {
        case service::GenerationEvent::Kind::kProgress:
          hooks.on_read(event->n_prompt_done, event->n_prompt);
          break;
        case service::GenerationEvent::Kind::kText:
          if (!is_cancelled) hooks.on_text(event->text);
          break;
        case service::GenerationEvent::Kind::kFailed: return event->error;
        case service::GenerationEvent::Kind::kFinished: return end_of(event->reason);
      }
    }
  }

 private:
  static AnswerEnd end_of(service::FinishReason reason) {
    switch (reason) {
      case service::FinishReason::kLength: return AnswerEnd::kCut;
      case service::FinishReason::kCancelled: return AnswerEnd::kStopped;
      case service::FinishReason::kStop: break;
    }
    return AnswerEnd::kComplete;
  }

  std::unique_ptr<Host> host_;
};

}  // namespace

Result<std::unique_ptr<Answerer>> start_engine(const Context& context) {
  MARU_ASSIGN_OR_RETURN(auto host, Host::start(context));
  return std::unique_ptr<Answerer>(std::make_unique<EngineAnswerer>(std::move(host)));
}

Result<std::unique_ptr<Answerer>> make_answerer(const Context& context, bool may_use_server) {
  if (may_use_server) {
    if (auto server = find_server(context.settings())) {
      if (stderr_is_terminal()) {
        const service::Settings& settings = context.settings();
        const std::string url = server_url(settings.host, static_cast<uint16_t>(settings.port));
        write_stderr(context.say(Message::kUsingServer, url, server->model()) + "\n");
      }
      return server;
    }
  }
  return start_engine(context);
}

}  // namespace maru::apps
