#include "engine/model_loop.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "kernels/dispatch.h"

namespace maru::engine {
namespace {

Event make_event(RequestId id, EventKind kind) {
  Event event;
  event.id = id;
  event.kind = kind;
  return event;
}

void add_usage(const Usage& usage, EngineStats& stats) {
  stats.prompt_tokens += usage.prompt_tokens;
  stats.cached_tokens += usage.cached_tokens;
  stats.new_tokens += usage.new_tokens;
}

// Of a request that has not ended well: counted as soon as its answer has begun.
void add_begun(const Sequence& sequence, EngineStats& stats) {
  if (sequence.n_new > 0) add_usage(sequence.usage(), stats);
}

}  // namespace

Result<std::unique_ptr<ModelLoop>> ModelLoop::create(std::string name,
                                                     std::unique_ptr<StepRunner> runner,
                                                     uint64_t kv_bytes,
                                                     const SchedulerOptions& options, Clock clock) {
  if (runner->max_rows() < options.max_running + options.max_chunk) {
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("the runner of '{}' takes {} rows a step, the scheduler wants {} + {}",
                             name, runner->max_rows(), options.max_running, options.max_chunk),
                 "size its workspace by max_step_rows()"};
  }
  MARU_ASSIGN_OR_RETURN(auto cache, KvCache::create(runner->kv_layout(), runner->fingerprint(),
                                                    kv_bytes, options.max_chunk));
  return std::unique_ptr<ModelLoop>(new ModelLoop(std::move(name), std::move(runner),
                                                  std::move(cache), options, std::move(clock)));
}

ModelLoop::ModelLoop(std::string name, std::unique_ptr<StepRunner> runner,
                     std::unique_ptr<KvCache> cache, const SchedulerOptions& options, Clock clock)
    : runner_(std::move(runner)),
      cache_(std::move(cache)),
      clock_(std::move(clock)),
      model_{std::move(name), std::min(runner_->context_length(), cache_->max_tokens()),
             runner_->vocab_size()},
      scheduler_(*cache_, options) {}

Status ModelLoop::check(const Request& request) const {
  if (!request.adapter.empty()) {
    return Error{ErrorCode::kNotFound,
                 fmt::format("model '{}' has no adapter '{}'", model_.name, request.adapter),
                 "leave the adapter out", "adapter"};
  }
  if (request.prompt.empty()) {
    return Error{ErrorCode::kInvalidArgument, "the prompt has no tokens",
                 "send at least one token; a text prompt may begin with the model's first token",
                 "prompt"};
  }
  for (size_t i = 0; i < request.prompt.size(); ++i) {
    const TokenId token = request.prompt[i];
    if (token < 0 || static_cast<uint32_t>(token) >= model_.vocab_size) {
      return Error{ErrorCode::kInvalidArgument,
                   fmt::format("prompt[{}] is token {}; '{}' knows 0 to {}", i, token, model_.name,
                               model_.vocab_size - 1),
                   "use the ids of this model's tokenizer", "prompt"};
    }
  }
  if (request.n_top_logprobs > 20) {
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("{} alternatives wanted beside each token", request.n_top_logprobs),
                 "ask for 0 to 20", "top_logprobs"};
  }
  MARU_RETURN_IF_ERROR(check_sampling(request.sampling, model_.vocab_size));
  const uint64_t n_tokens = uint64_t{request.prompt.size()} + request.max_new_tokens;
  if (n_tokens > model_.context_length) {
    return Error{ErrorCode::kTooLarge,
                 fmt::format("the prompt has {} tokens and the answer may have {}, {} together; "
                             "the context of '{}' holds {}",
                             request.prompt.size(), request.max_new_tokens, n_tokens, model_.name,
                             model_.context_length),
                 "shorten the prompt or ask for a shorter answer"};
  }
  return {};
}

Status ModelLoop::set_drafter(std::unique_ptr<Drafter> drafter) {
  if (drafter->vocab_size() != model_.vocab_size) {
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("the draft model has {} words, '{}' has {}", drafter->vocab_size(),
                             model_.name, model_.vocab_size),
                 "use a draft model of the same family, with the same tokenizer", "draft_model"};
  }
  drafter_ = std::move(drafter);
  scheduler_.set_drafter(drafter_.get());
  return {};
}

void ModelLoop::add(Request request, EventHandler handler) {
  PrefixKey key = cache_->key_of(request);
  scheduler_.add(std::make_unique<Sequence>(std::move(request), std::move(handler), std::move(key),
                                            n_arrived_++));
}

void ModelLoop::cancel(RequestId id) {
  if (auto sequence = scheduler_.take(id, true)) end(std::move(sequence), FinishReason::kCancelled);
}

void ModelLoop::cancel_all() {
  while (auto sequence = scheduler_.take_any()) {
    end(std::move(sequence), FinishReason::kCancelled);
  }
}

void ModelLoop::step(bool beside_streams) {
  if (scheduler_.has_work()) compute(beside_streams);
  has_unsaved_ = cache_->save();
}

void ModelLoop::compute(bool beside_streams) {
  const StepPlan plan = scheduler_.plan(cost_, beside_streams);
  if (plan.entries.empty()) return;
  run(plan);
  size_t row = 0;
  for (const PlanEntry& entry : plan.entries) {
    entry.draft.empty() ? apply(entry, row) : apply_draft(entry, row);
    row += entry.n_logit_rows();
  }
}

void ModelLoop::run(const StepPlan& plan) {
  std::vector<models::StepSequence> sequences;
  sequences.reserve(plan.entries.size());
  for (const PlanEntry& entry : plan.entries) {
    models::StepSequence& s = sequences.emplace_back();
    s.tokens = entry.tokens();
    s.first_position = entry.first;
    s.logits = entry.logits;
    s.sum_scale = entry.sequence->sampler.sum_scale();
    for (const auto& pointers : entry.sequence->kv.pointers) s.pages.emplace_back(pointers);
  }
  if (plan.n_logit_rows > n_rows_) {
    n_rows_ = plan.n_logit_rows;
    logits_ = std::make_unique_for_overwrite<float[]>(n_rows_ * model_.vocab_size);
    blocks_ = std::make_unique_for_overwrite<kernels::LogitBlock[]>(
        n_rows_ * kernels::logit_blocks(model_.vocab_size));
  }
  const auto begin = clock_();
  runner_->run(sequences, logits_.get(), blocks_.get());
  cost_.record(plan.n_decode_rows, plan.n_prompt_rows,
               std::chrono::duration_cast<StepCost::Duration>(clock_() - begin));
  ++ended_.n_steps;
}

LogitRow ModelLoop::row_at(const Sequence& sequence, size_t index) const {
  const size_t vocab_size = model_.vocab_size;
  const size_t n_blocks = kernels::logit_blocks(vocab_size);
  return {{logits_.get() + index * vocab_size, vocab_size},
          {blocks_.get() + index * n_blocks, n_blocks},
          sequence.sampler.sum_scale()};
}

void ModelLoop::apply(const PlanEntry& entry, size_t first_row) {
  Sequence& s = *entry.sequence;
  if (Status status = report_prompt(entry, first_row); !status) {
    return fail(s, std::move(status).error());
  }
  const bool wants_token = entry.first + entry.count == s.n_known() && s.request.max_new_tokens > 0;
  LogitRow last_row;
  if (wants_token) last_row = row_at(s, first_row + entry.n_logit_rows() - 1);
  // Logits that are not finite may come from rows that must not be shared: look before advancing,
  // which publishes them.
  if (wants_token && !is_finite(last_row)) return fail(s, not_finite());
  scheduler_.advance(entry);
  if (wants_token) {
    take_token(s, last_row);
    return;
  }
  if (s.n_done == s.n_known()) finish(s, FinishReason::kLength);
}

// Row by row, as if each were a step of its own, until the token drawn is another than the guess:
// rows behind it were computed for nothing, and the next step writes over them.
void ModelLoop::apply_draft(const PlanEntry& entry, size_t first_row) {
  Sequence& s = *entry.sequence;
  const uint32_t n_drafted = entry.count - 1;
  uint32_t n_accepted = 0;
  bool goes_on = true;
  for (uint32_t i = 0;; ++i) {
    const LogitRow row = row_at(s, first_row + i);
    if (!is_finite(row)) {
      fail(s, not_finite());
      goes_on = false;
      break;
    }
    scheduler_.advance({&s, entry.first + i, 1});
    n_accepted = i;
    goes_on = take_token(s, row);
    if (!goes_on || i == n_drafted || s.tokens.back() != entry.draft[i + 1]) break;
  }
  ended_.drafted_tokens += n_drafted;
  ended_.accepted_tokens += n_accepted;
  if (goes_on) entry.gate->learn(n_drafted, n_accepted);
}

// Progress and the prompt's logprobs.
Status ModelLoop::report_prompt(const PlanEntry& entry, size_t first_row) {
  Sequence& s = *entry.sequence;
  if (entry.first >= s.n_prompt()) return {};
  const uint32_t end = std::min(entry.first + entry.count, s.n_prompt());
  Event event = make_event(s.request.id, EventKind::kProgress);
  event.n_prompt_done = std::max(end, s.n_progress);
  if (entry.logits == models::LogitsWanted::kAll && s.wants_prompt_logprobs()) {
    const uint32_t stop = std::min(end, s.n_prompt() - 1);
    for (uint32_t at = std::max(entry.first, s.n_prompt_logprobs); at < stop; ++at) {
      const LogitRow row = row_at(s, first_row + at - entry.first);
      MARU_ASSIGN_OR_RETURN(auto logprob,
                            token_logprob(row.values, s.tokens[at + 1], s.request.n_top_logprobs));
      event.prompt_logprobs.push_back(std::move(logprob));
    }
    s.n_prompt_logprobs += static_cast<uint32_t>(event.prompt_logprobs.size());
  }
  if (event.n_prompt_done > s.n_progress || !event.prompt_logprobs.empty()) {
    s.n_progress = event.n_prompt_done;
    s.handler(event);
  }
  return {};
}

// Whether the sequence goes on; if not, it is gone.
bool ModelLoop::take_token(Sequence& s, const LogitRow& row) {
  Event event = make_event(s.request.id, EventKind::kToken);
  const auto token = s.sampler.sample(row, s.n_known());
  if (!token) {
    fail(s, token.error());
    return false;
  }
  ++s.n_new;
  const auto& ends = s.request.end_tokens;
  if (std::find(ends.begin(), ends.end(), *token) != ends.end()) {
    finish(s, FinishReason::kEndToken);
    return false;
  }
  event.token = *token;
  if (s.request.want_logprobs) {
    auto logprob = token_logprob(row.values, *token, s.request.n_top_logprobs);
    if (!logprob) {
      fail(s, std::move(logprob).error());
      return false;
    }
    event.logprob = *std::move(logprob);
  }
  s.tokens.push_back(*token);
  s.handler(event);
  if (s.n_new < s.request.max_new_tokens) return true;
  finish(s, FinishReason::kLength);
  return false;
}

void ModelLoop::finish(Sequence& sequence, FinishReason reason) {
  end(scheduler_.take(sequence.request.id, true), reason);
}

void ModelLoop::end(std::unique_ptr<Sequence> sequence, FinishReason reason) {
  Event event = make_event(sequence->request.id, EventKind::kFinished);
  event.reason = reason;
  event.usage = sequence->usage();
  add_usage(event.usage, ended_);
  sequence->handler(event);
}

void ModelLoop::fail(Sequence& sequence, Error error) {
  const auto taken = scheduler_.take(sequence.request.id, false);
  add_begun(*taken, ended_);
  Event event = make_event(taken->request.id, EventKind::kFailed);
  event.error = std::move(error);
  taken->handler(event);
}

void ModelLoop::add_stats(EngineStats& stats) const {
  stats.n_waiting += scheduler_.n_waiting();
  stats.n_running += scheduler_.running().size();
  const KvMemory& memory = cache_->memory();
  stats.kv_bytes_total += memory.budget_bytes();
  stats.kv_bytes_used += memory.pinned_bytes();
  stats.kv_bytes_cached += memory.used_bytes() - memory.pinned_bytes();
  stats.prompt_tokens += ended_.prompt_tokens;
  stats.cached_tokens += ended_.cached_tokens;
  stats.new_tokens += ended_.new_tokens;
  stats.n_steps += ended_.n_steps;
  stats.drafted_tokens += ended_.drafted_tokens;
  stats.accepted_tokens += ended_.accepted_tokens;
  for (const auto& sequence : scheduler_.running()) add_begun(*sequence, stats);
  stats.n_preempted += scheduler_.n_preempted();
  if (cache_->store() == nullptr) return;
  const PrefixStoreStats stored = cache_->store()->stats();
  stats.disk_bytes += stored.n_bytes;
  stats.disk_pages_written += stored.n_written;
  stats.disk_pages_read += stored.n_read;
  stats.disk_pages_dropped += stored.n_dropped + cache_->tree().n_new_pages_lost();
  stats.disk_pages_damaged += stored.n_damaged;
}

}  // namespace maru::engine
