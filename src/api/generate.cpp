#include "api/generate.h"

#include <algorithm>
#include <ctime>
#include <deque>
#include <numeric>
#include <random>
#include <utility>

#include "api/rate_headers.h"
#include "api/wire/body.h"
#include "api/with_model.h"
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

// All answers of one call. The connection owns it (by the callback of on_closed()) and handlers of
// the engine and of the meter only know it: their threads must never be the last to let go of what
// owns them. Every function but start() runs on the connection's executor.
class Generation : public std::enable_shared_from_this<Generation> {
 public:
  Generation(const Call& call, GenerationCall request, std::string id,
             std::unique_ptr<AnswerFormat> format)
      : context_(call.context),
        writer_(call.writer),
        request_(std::move(request)),
        format_(std::move(format)),
        streams_(call.streams),
        admission_{std::move(id),
                   call.request.id,
                   request_.base.model,
                   0,
                   service::spender_of(call.identity),
                   {}},
        answers_(request_.prompts.size() * request_.n),
        last_text_(answers_.size()),
        n_tokens_(answers_.size()),
        n_left_(answers_.size()) {}

  // On a worker: renders and tokenises.
  void start(const service::ServedModel& model) {
    if (context_->metering) limit_context(model);
    std::vector<service::PreparedRequest> prepared;
    const uint64_t seed = request_.has_seed ? request_.base.sampling.seed : random_seed();
    for (size_t i = 0; i < answers_.size(); ++i) {
      service::GenerationRequest one = request_.base;
      one.prompt = request_.prompts[i / request_.n];
      one.sampling.seed = vary_seed(seed, i % request_.n);
      auto ready = context_->service->prepare(std::move(one));
      if (!ready) return refuse(to_api_error(ready.error()));
      if (i % request_.n == 0) admission_.tokens_in += ready->n_prompt;
      prepared.push_back(*std::move(ready));
    }
    writer_.post([self = shared_from_this(), prepared = std::move(prepared)]() mutable {
      self->prepared_ = std::move(prepared);
      self->admit();
    });
  }

 private:
  void limit_context(const service::ServedModel& model) {
    service::Limits& limits = context_->metering->limits();
    admission_.pass = limits.pass_of(admission_.spender);
    request_.base.context_limit = limits.context_of(admission_.pass, model.context_length);
  }

  void refuse(const ApiError& error) const {
    if (streams_) {
      writer_.write(sse(error_json(error, Shape::kOpenAi)));
      writer_.end();
      return;
    }
    net::Response response = error_response(error, Shape::kOpenAi);
    response.headers.insert(response.headers.end(), headers_.begin(), headers_.end());
    writer_.send(std::move(response));
  }

  void admit() {
    writer_.on_closed([self = shared_from_this()] {
      self->end();
      self->context_->metrics.count_client_left();
      self->cancel();
      self->close_meter(service::Outcome::kClientLeft);
    });
    if (ended_) return;
    if (!context_->metering) return submit();
    service::Metering& metering = *context_->metering;
    service::MeterHandlers handlers;
    handlers.on_opened = [weak = weak_from_this(), writer = writer_](const Status& status) {
      writer.post([weak, status] {
        if (const auto self = weak.lock()) self->on_opened(status);
      });
    };
    handlers.on_ready = [weak = weak_from_this(), writer = writer_] {
      writer.post([weak] {
        if (const auto self = weak.lock()) self->go_on();
      });
    };
    service::Refusal refusal;
    meter_ = metering.admit(admission_, std::move(handlers), refusal);
    headers_ = rate_headers(metering.limits().state(admission_.pass, metering.now()));
    if (!meter_) fail(to_api_error(refusal), service::Outcome::kLimit);
  }

  void on_opened(const Status& status) {
    if (ended_) return;
    if (status) return submit();
    fail(to_api_error(meter_->refusal()), service::Outcome::kFailed);
  }

  void submit() {
    for (size_t i = 0; i < answers_.size(); ++i) {
      auto id = context_->service->submit(
          std::move(prepared_[i]),
          [weak = weak_from_this(), writer = writer_, i](const service::GenerationEvent& event) {
            if (event.kind == service::GenerationEvent::Kind::kProgress) return;
            writer.post([weak, i, event] {
              if (const auto self = weak.lock()) self->on_event(i, event);
            });
          });
      if (!id) {
        if (meter_) meter_->discard();
        return fail(to_api_error(id.error()), service::Outcome::kFailed);
      }
      ids_.push_back(*id);
    }
    prepared_.clear();
    begin();
  }

  void begin() {
    watch_ = context_->sign_in->watches().watch(
        request_.base.identity, [weak = weak_from_this(), writer = writer_](const Error& reason) {
          writer.post([weak, reason] {
            const auto self = weak.lock();
            if (self && !self->ended_) {
              self->fail(to_api_error(reason), service::Outcome::kCancelled);
            }
          });
        });
    if (!request_.stream) return;
    if (!streams_) begin_events(*context_, writer_, headers_);
    streams_ = true;
    for (uint32_t i = 0; i < answers_.size(); ++i) write(format_->opening(i));
  }

  void on_event(size_t index, const service::GenerationEvent& event) {
    if (ended_) return;
    if (!held_.empty() || !is_metered(index, event)) {
      held_.emplace_back(index, event);
      return;
    }
    give_out(index, event);
  }

  // After the row was written: what was held back for it.
  void go_on() {
    while (!ended_ && !held_.empty()) {
      const auto& [index, event] = held_.front();
      if (!is_metered(index, event)) return;
      const auto next = std::move(held_.front());
      held_.pop_front();
      give_out(next.first, next.second);
    }
  }

  // Whether the row says enough for this event to be given out, or the answer ended for its sake.
  bool is_metered(size_t index, const service::GenerationEvent& event) {
    using Kind = service::GenerationEvent::Kind;
    if (event.kind == Kind::kText) n_tokens_[index] = event.n_new_tokens;
    if (event.kind == Kind::kFinished) n_tokens_[index] = event.usage.new_tokens;
    if (!meter_ || event.kind == Kind::kFailed) return true;
    switch (meter_->pass(n_tokens_out())) {
      case service::Meter::Verdict::kPass: return true;
      case service::Meter::Verdict::kHold: return false;
      case service::Meter::Verdict::kOver: break;
    }
    const service::Refusal refusal = meter_->refusal();
    fail(to_api_error(refusal), refusal.error.code == ErrorCode::kRateLimited
                                    ? service::Outcome::kLimit
                                    : service::Outcome::kFailed);
    return true;
  }

  int64_t n_tokens_out() const {
    return std::accumulate(n_tokens_.begin(), n_tokens_.end(), int64_t{0});
  }

  void give_out(size_t index, const service::GenerationEvent& event) {
    if (ended_) return;
    switch (event.kind) {
      case service::GenerationEvent::Kind::kProgress: return;
      case service::GenerationEvent::Kind::kText: return on_text(index, event);
      case service::GenerationEvent::Kind::kFinished: return on_finished(index, event);
      case service::GenerationEvent::Kind::kFailed:
        return fail(to_api_error(event.error), service::Outcome::kFailed);
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
    answer.n_reasoning_tokens = event.n_reasoning_tokens;
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
    answer.n_reasoning_tokens = event.n_reasoning_tokens;
    answer.finished = true;
    context_->metrics.count_usage(request_.base.model, event.usage);
    if (event.reason == service::FinishReason::kCancelled) {
      return fail(to_api_error(Error{ErrorCode::kUnavailable,
                                     "the answer was cancelled by the server", "try again"}),
                  service::Outcome::kCancelled);
    }
    if (request_.stream) write(format_->closing(static_cast<uint32_t>(index), event.reason));
    if (--n_left_ > 0) return;
    const TotalUsage usage = total_usage();
    close_meter(any_cut() ? service::Outcome::kLength : service::Outcome::kStop);
    writer_.annotate(fmt::format("prompt_tokens={} cached_tokens={} completion_tokens={}",
                                 usage.prompt_tokens, usage.cached_tokens,
                                 usage.completion_tokens));
    if (request_.stream) {
      if (request_.include_usage) write(format_->usage_chunk(usage));
      write("[DONE]");
      writer_.end();
    } else {
      writer_.send({200, format_->whole(answers_, usage), "application/json", headers_});
    }
    end();
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
      total.reasoning_tokens += answers_[i].n_reasoning_tokens;
    }
    return total;
  }

  void write(const std::string& data) {
    if (!data.empty()) writer_.write(sse(data));
  }

  bool any_cut() const {
    return std::any_of(answers_.begin(), answers_.end(), [](const Answer& answer) {
      return answer.reason == service::FinishReason::kLength;
    });
  }

  void close_meter(service::Outcome outcome) {
    if (!meter_) return;
    const TotalUsage usage = total_usage();
    meter_->close(outcome, {admission_.tokens_in, static_cast<int64_t>(usage.cached_tokens),
                            n_tokens_out(), static_cast<int64_t>(usage.reasoning_tokens)});
  }

  void end() {
    ended_ = true;
    watch_.reset();
  }

  void fail(const ApiError& error, service::Outcome outcome) {
    end();
    cancel();
    close_meter(outcome);
    refuse(error);
  }

  void cancel() {
    for (const uint64_t id : ids_) context_->service->cancel(id);
  }

  const std::shared_ptr<ApiContext> context_;
  const net::ResponseWriter writer_;
  GenerationCall request_;
  const std::unique_ptr<AnswerFormat> format_;
  bool streams_;  // events have begun
  const Clock::time_point arrived_ = Clock::now();
  service::Admission admission_;
  std::vector<service::PreparedRequest> prepared_;
  std::unique_ptr<service::Meter> meter_;  // null: not metered
  std::vector<net::Header> headers_;       // what is left of the limits
  std::vector<Answer> answers_;
  std::vector<Clock::time_point> last_text_;
  std::vector<int64_t> n_tokens_;  // of each answer, given out or about to be
  size_t n_left_;
  std::vector<uint64_t> ids_;
  std::deque<std::pair<size_t, service::GenerationEvent>> held_;
  std::shared_ptr<void> watch_;  // of the key or session, while the answer runs
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
  request.base.identity = call.identity;
  const std::string name = request.base.model;
  const bool streams = request.stream;
  auto then = [request = std::move(request), make_format, prefix = std::string(id_prefix)](
                  const Call& ready, const service::ModelUse& model) {
    GenerationCall one = request;
    one.base.model = model->name;
    const std::string id = make_answer_id(prefix);
    AnswerHead head{id,
                    model->name,
                    std::time(nullptr),
                    one.base.logprobs,
                    one.base.n_top_logprobs,
                    one.include_usage};
    std::make_shared<Generation>(ready, std::move(one), id, make_format(std::move(head)))
        ->start(*model);
  };
  with_model(call, name, streams, std::move(then));
}

}  // namespace maru::api
