#include "api/generate.h"

#include <ctime>
#include <random>
#include <utility>

#include "api/wire/body.h"
#include "base/json.h"
#include "base/log.h"

namespace maru::api {
namespace {

using Clock = std::chrono::steady_clock;

uint64_t random_seed() {
  thread_local std::mt19937_64 random{std::random_device{}()};
  return random();
}

// Several answers to one prompt need several seeds; the first keeps the caller's (splitmix64).
uint64_t vary_seed(uint64_t seed, uint64_t index) {
  if (index == 0) return seed;
  uint64_t z = seed + index * 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

std::string sse(const std::string& data) { return "data: " + data + "\n\n"; }

// All answers of one call. The connection owns it (by the callback of on_closed()) and the
// service's handlers only know it: the engine's thread must never be the last to let go of what
// owns the engine. Every function but start() runs on the connection's executor.
class Generation : public std::enable_shared_from_this<Generation> {
 public:
  Generation(const Call& call, GenerationCall request, std::unique_ptr<AnswerFormat> format)
      : context_(call.context),
        writer_(call.writer),
        request_(std::move(request)),
        format_(std::move(format)),
        answers_(request_.prompts.size() * request_.n),
        last_text_(answers_.size()),
        n_left_(answers_.size()) {}

  // On a worker. Events may arrive while the later answers are still being started: they queue
  // behind the begin() that is posted last.
  void start() {
    std::vector<uint64_t> ids;
    std::optional<Error> failure;
    const uint64_t seed = request_.has_seed ? request_.base.sampling.seed : random_seed();
    for (size_t i = 0; i < answers_.size() && !failure; ++i) {
      service::GenerationRequest one = request_.base;
      one.prompt = request_.prompts[i / request_.n];
      one.sampling.seed = vary_seed(seed, i % request_.n);
      auto id = context_->service->start(
          std::move(one),
          [weak = weak_from_this(), writer = writer_, i](const service::GenerationEvent& event) {
            if (event.kind == service::GenerationEvent::Kind::kProgress) return;
            writer.post([weak, i, event] {
              if (const auto self = weak.lock()) self->on_event(i, event);
            });
          });
      if (id) {
        ids.push_back(*id);
      } else {
        failure = std::move(id).error();
      }
    }
    writer_.post([self = shared_from_this(), ids = std::move(ids), failure]() mutable {
      self->begin(std::move(ids), failure);
    });
  }

 private:
  void begin(std::vector<uint64_t> ids, const std::optional<Error>& failure) {
    ids_ = std::move(ids);
    if (failure) return fail(to_api_error(*failure));
    writer_.on_closed([self = shared_from_this()] {
      self->ended_ = true;
      self->context_->metrics.count_client_left();
      self->cancel();
    });
    begun_ = true;
    if (request_.stream) {
      writer_.begin_stream({200,
                            "",
                            "text/event-stream",
                            {{"Cache-Control", "no-cache"}, {"X-Accel-Buffering", "no"}}},
                           {context_->heartbeat, ": heartbeat\n\n"});
      for (uint32_t i = 0; i < answers_.size(); ++i) write(format_->opening(i));
    }
    for (auto& [index, event] : std::exchange(early_, {})) on_event(index, event);
  }

  void on_event(size_t index, const service::GenerationEvent& event) {
    if (ended_) return;
    if (!begun_) {
      early_.emplace_back(index, event);
      return;
    }
    switch (event.kind) {
      case service::GenerationEvent::Kind::kProgress: return;
      case service::GenerationEvent::Kind::kText: return on_text(index, event);
      case service::GenerationEvent::Kind::kFinished: return on_finished(index, event);
      case service::GenerationEvent::Kind::kFailed: return fail(to_api_error(event.error));
    }
  }

  void on_text(size_t index, const service::GenerationEvent& event) {
    const auto now = Clock::now();
    const auto since = [now](Clock::time_point then) {
      return std::chrono::duration_cast<std::chrono::microseconds>(now - then);
    };
    if (last_text_[index] == Clock::time_point{}) {
      context_->metrics.observe_first_token(since(arrived_));
    } else {
      context_->metrics.observe_next_token(since(last_text_[index]));
    }
    last_text_[index] = now;
    Answer& answer = answers_[index];
    if (request_.stream) {
      write(format_->delta(static_cast<uint32_t>(index), answer, event.text, event.logprobs));
      return;
    }
    answer.text += event.text;
    answer.logprobs.insert(answer.logprobs.end(), event.logprobs.begin(), event.logprobs.end());
  }

  void on_finished(size_t index, const service::GenerationEvent& event) {
    Answer& answer = answers_[index];
    answer.reason = event.reason;
    answer.usage = event.usage;
    answer.finished = true;
    context_->metrics.count_usage(request_.base.model, event.usage);
    if (event.reason == service::FinishReason::kCancelled) {
      return fail(to_api_error(
          Error{ErrorCode::kUnavailable, "the answer was cancelled by the server", "try again"}));
    }
    if (request_.stream) write(format_->closing(static_cast<uint32_t>(index), event.reason));
    if (--n_left_ > 0) return;
    const TotalUsage usage = total_usage();
    writer_.annotate(fmt::format("prompt_tokens={} cached_tokens={} completion_tokens={}",
                                 usage.prompt_tokens, usage.cached_tokens,
                                 usage.completion_tokens));
    if (request_.stream) {
      if (request_.include_usage) write(format_->usage_chunk(usage));
      write("[DONE]");
      writer_.end();
    } else {
      writer_.send({200, format_->whole(answers_, usage), "application/json", {}});
    }
    ended_ = true;
  }

  // A prompt counts once, and as cached what its first answer found in the cache.
  TotalUsage total_usage() const {
    TotalUsage total;
    for (size_t i = 0; i < answers_.size(); ++i) {
      const engine::Usage& usage = answers_[i].usage;
      if (i % request_.n == 0) {
        total.prompt_tokens += usage.prompt_tokens;
        total.cached_tokens += usage.cached_tokens;
      }
      total.completion_tokens += usage.new_tokens;
    }
    return total;
  }

  void write(const std::string& data) {
    if (!data.empty()) writer_.write(sse(data));
  }

  void fail(const ApiError& error) {
    ended_ = true;
    cancel();
    if (begun_ && request_.stream) {
      write(error_json(error));
      writer_.end();
    } else {
      writer_.send(error_response(error));
    }
  }

  void cancel() {
    for (const uint64_t id : ids_) context_->service->cancel(id);
  }

  const std::shared_ptr<ApiContext> context_;
  const net::ResponseWriter writer_;
  const GenerationCall request_;
  const std::unique_ptr<AnswerFormat> format_;
  const Clock::time_point arrived_ = Clock::now();
  std::vector<Answer> answers_;
  std::vector<Clock::time_point> last_text_;
  size_t n_left_;
  std::vector<uint64_t> ids_;
  std::vector<std::pair<size_t, service::GenerationEvent>> early_;
  bool begun_ = false;
  bool ended_ = false;
};

}  // namespace

void generate(const Call& call, CallParser parse, FormatFactory make_format,
              std::string_view id_prefix) {
  const auto body = parse_body(call.request.body);
  if (!body) return call.fail(to_api_error(body.error()));
  Problems problems;
  GenerationCall request = parse(*body, problems);
  if (problems.any()) return call.fail(problems.first());
  const auto model = find_model(call, request.base.model);
  if (!model) return call.fail(to_api_error(model.error()));
  request.base.model = (*model)->name;
  request.base.identity = call.identity;
  AnswerHead head{make_answer_id(id_prefix), request.base.model,          std::time(nullptr),
                  request.base.logprobs,     request.base.n_top_logprobs, request.include_usage};
  std::make_shared<Generation>(call, std::move(request), make_format(std::move(head)))->start();
}

}  // namespace maru::api
