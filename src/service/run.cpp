#include "service/run.h"

#include <algorithm>
#include <chrono>

#include "base/json.h"

namespace maru::service {
namespace {

// Where a reader that has `from` bytes goes on.
size_t begin_of(const std::string& text, size_t from) {
  if (from > text.size()) return 0;
  while (from > 0 && from < text.size() && (static_cast<unsigned char>(text[from]) & 0xC0) == 0x80)
    --from;
  return from;
}

Json usage_json(const engine::Usage& usage) {
  return Json{{"prompt_tokens", usage.prompt_tokens},
              {"cached_tokens", usage.cached_tokens},
              {"completion_tokens", usage.new_tokens}};
}

int64_t milliseconds(std::chrono::steady_clock::duration time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
}

Json error_of(const Error& error) {
  Json json{{"code", error_code_name(error.code)}, {"message", error.message}};
  add_reason(json, error);
  return json;
}

const char* finish_name(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop: return "stop";
    case FinishReason::kLength: return "length";
    case FinishReason::kCancelled: return "cancelled";
  }
  return "stop";
}

}  // namespace

void RunBell::ring() {
  const std::lock_guard lock(mutex);
  is_ringing = true;
  rung.notify_one();
}

void RunBell::close() {
  const std::lock_guard lock(mutex);
  is_closed = true;
  rung.notify_one();
}

bool RunBell::wait() {
  std::unique_lock lock(mutex);
  rung.wait_for(lock, std::chrono::seconds(1), [this] { return is_ringing || is_closed; });
  is_ringing = false;
  return !is_closed;
}

Run::Run(std::string owner, store::Message message, std::shared_ptr<RunBell> bell)
    : owner_(std::move(owner)),
      id_(message.id),
      chat_id_(message.chat_id),
      bell_(std::move(bell)),
      message_(std::move(message)) {}

void Run::set_meter(std::unique_ptr<Meter> meter, int64_t tokens_in) {
  const std::lock_guard lock(mutex_);
  meter_ = std::move(meter);
  n_in_ = tokens_in;
}

void Run::refuse() {
  const std::lock_guard lock(mutex_);
  if (meter_) meter_->discard();
}

void Run::on_event(const GenerationEvent& event) {
  const std::lock_guard lock(mutex_);
  if (has_ended_ || event.kind == GenerationEvent::Kind::kProgress) return;
  if (!held_.empty() || !is_metered(event)) {
    held_.push_back(event);
  } else {
    give_out(event);
  }
}

void Run::go_on() {
  const std::lock_guard lock(mutex_);
  while (!has_ended_ && !held_.empty() && is_metered(held_.front())) {
    const GenerationEvent event = std::move(held_.front());
    held_.pop_front();
    give_out(event);
  }
}

// Whether the usage row says enough for this event to be given out, or the run ended for its sake.
bool Run::is_metered(const GenerationEvent& event) {
  if (event.kind == GenerationEvent::Kind::kText) n_out_ = event.n_new_tokens;
  if (event.kind == GenerationEvent::Kind::kFinished) n_out_ = event.usage.new_tokens;
  if (event.n_reasoning_tokens > n_reasoning_) {
    n_reasoning_ = event.n_reasoning_tokens;
    last_thought_ = std::chrono::steady_clock::now();
  }
  if (!meter_ || event.kind == GenerationEvent::Kind::kFailed) return true;
  switch (meter_->pass(n_out_)) {
    case Meter::Verdict::kPass: return true;
    case Meter::Verdict::kHold: return false;
    case Meter::Verdict::kOver: break;
  }
  const Error error = meter_->refusal().error;
  needs_cancel_ = true;
  end("stopped", dump_json(Json{{"finish", "limit"}, {"error", error_of(error)}}),
      error.code == ErrorCode::kRateLimited ? Outcome::kLimit : Outcome::kFailed);
  return true;
}

void Run::give_out(const GenerationEvent& event) {
  if (has_ended_) return;
  switch (event.kind) {
    case GenerationEvent::Kind::kProgress: return;
    case GenerationEvent::Kind::kText: {
      RunEvent told;
      told.offset = message_.content.size();
      told.text = event.text;
      message_.content += event.text;
      if (!first_text_) first_text_ = std::chrono::steady_clock::now();
      is_dirty_ = true;
      return tell(told);
    }
    case GenerationEvent::Kind::kFinished: {
      usage_ = event.usage;
      const bool is_cut = event.reason == FinishReason::kCancelled;
      Json extra{{"usage", usage_json(usage_)}, {"finish", finish_name(event.reason)}};
      if (meter_) {
        extra["usage"]["cost_micros"] =
            meter_->cost({n_in_, usage_.cached_tokens, usage_.new_tokens, 0});
      }
      if (first_text_) {
        extra["timing"] = {{"first_token_ms", milliseconds(*first_text_ - began_)},
                           {"total_ms", milliseconds(std::chrono::steady_clock::now() - began_)}};
        if (last_thought_) {
          extra["timing"]["thinking_ms"] =
              std::max<int64_t>(0, milliseconds(*last_thought_ - *first_text_));
        }
      }
      return end(is_cut ? "stopped" : "complete", dump_json(extra),
                 is_cut                                  ? Outcome::kCancelled
                 : event.reason == FinishReason::kLength ? Outcome::kLength
                                                         : Outcome::kStop);
    }
    case GenerationEvent::Kind::kFailed:
      return end("failed", dump_json(Json{{"error", error_of(event.error)}}), Outcome::kFailed);
  }
}

void Run::cut() {
  const std::lock_guard lock(mutex_);
  if (!has_ended_) end("stopped", dump_json(Json{{"finish", "cancelled"}}), Outcome::kInterrupted);
}

void Run::revoke(const Error& reason) {
  const std::lock_guard lock(mutex_);
  if (has_ended_) return;
  needs_cancel_ = true;
  end("stopped", dump_json(Json{{"finish", "revoked"}, {"error", error_of(reason)}}),
      Outcome::kCancelled);
}

void Run::set_watch(std::shared_ptr<void> watch) {
  const std::lock_guard lock(mutex_);
  watch_ = std::move(watch);
}

void Run::end(std::string state, std::string extra, Outcome outcome) {
  if (meter_) {
    meter_->close(outcome,
                  {n_in_, static_cast<int64_t>(usage_.cached_tokens), n_out_, n_reasoning_});
  }
  message_.state = std::move(state);
  message_.extra = std::move(extra);
  held_.clear();
  has_ended_ = is_dirty_ = true;
  bell_->ring();
}

bool Run::take_needs_cancel() {
  const std::lock_guard lock(mutex_);
  return std::exchange(needs_cancel_, false);
}

void Run::set_generation(uint64_t id) {
  const std::lock_guard lock(mutex_);
  generation_ = id;
}

std::optional<uint64_t> Run::generation() const {
  const std::lock_guard lock(mutex_);
  return generation_;
}

void Run::set_stored(int64_t seq) {
  const std::lock_guard lock(mutex_);
  message_.seq = seq;
  is_stored_ = true;
  if (has_ended_) bell_->ring();
}

std::optional<Run::Taken> Run::take() {
  const std::lock_guard lock(mutex_);
  if (!is_stored_ || !is_dirty_) return std::nullopt;
  is_dirty_ = false;
  return Taken{message_, has_ended_, usage_};
}

void Run::mark_unsaved() {
  const std::lock_guard lock(mutex_);
  is_dirty_ = true;
}

RunEvent Run::ended_event() const {
  RunEvent event;
  event.kind = RunEvent::Kind::kEnded;
  event.offset = message_.content.size();
  event.state = message_.state;
  event.extra = message_.extra;
  return event;
}

void Run::announce_end() {
  const std::lock_guard lock(mutex_);
  if (is_end_told_) return;
  is_end_told_ = true;
  tell(ended_event());
  listeners_.clear();
  meter_.reset();
  watch_.reset();
}

void Run::tell(const RunEvent& event) {
  std::erase_if(listeners_, [&](const auto& entry) { return !entry.second(event); });
}

uint64_t Run::subscribe(size_t from, RunListener listener) {
  const std::lock_guard lock(mutex_);
  RunEvent event;
  event.offset = begin_of(message_.content, from);
  event.text = message_.content.substr(event.offset);
  if (!listener(event)) return 0;
  if (is_end_told_) {
    listener(ended_event());
    return 0;
  }
  listeners_.emplace(next_listener_, std::move(listener));
  return next_listener_++;
}

void Run::unsubscribe(uint64_t id) {
  const std::lock_guard lock(mutex_);
  listeners_.erase(id);
}

void replay(const store::Message& message, size_t from, const RunListener& listener) {
  RunEvent event;
  event.offset = begin_of(message.content, from);
  event.text = message.content.substr(event.offset);
  if (!listener(event)) return;
  event = {};
  event.kind = RunEvent::Kind::kEnded;
  event.offset = message.content.size();
  event.state = message.state;
  event.extra = message.extra;
  listener(event);
}

}  // namespace maru::service
