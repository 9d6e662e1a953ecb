#include "engine/scheduler.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "base/check.h"

namespace maru::engine {
namespace {

bool is_older(const Sequence* a, const Sequence* b) { return a->arrival < b->arrival; }

// Whether `other` should wait because `reading` computes a good part of what it needs.
bool computes_for(const Sequence& reading, const Sequence& other, uint32_t page_tokens) {
  if (reading.key != other.key) return false;
  const auto differ = std::mismatch(reading.tokens.begin(), reading.tokens.end(),
                                    other.tokens.begin(), other.tokens.end());
  const auto n_common = static_cast<uint32_t>(differ.first - reading.tokens.begin());
  if (n_common <= other.n_done) return false;
  const uint32_t n_saved = n_common - other.n_done;
  return n_saved >= page_tokens || 2 * n_saved >= other.n_to_do();
}

}  // namespace

std::span<const TokenId> PlanEntry::tokens() const {
  if (!draft.empty()) return draft;
  return std::span(sequence->tokens).subspan(first, count);
}

size_t PlanEntry::n_logit_rows() const {
  switch (logits) {
    case models::LogitsWanted::kNone: return 0;
    case models::LogitsWanted::kLast: return 1;
    case models::LogitsWanted::kAll: return count;
  }
  return 0;
}

Scheduler::Scheduler(KvCache& cache, const SchedulerOptions& options)
    : cache_(cache), options_(options) {
  MARU_CHECK(options.max_running > 0 && options.chunk_multiple > 0 && options.max_logprob_rows > 0);
  MARU_CHECK(options.max_chunk >= options.chunk_multiple);
}

void Scheduler::add(std::unique_ptr<Sequence> sequence) {
  fair_.enter(sequence->request.caller);
  waiting_.push_back(std::move(sequence));
}

std::unique_ptr<Sequence> Scheduler::take(RequestId id, bool keep_prefix) {
  for (Sequences* list : {&waiting_, &running_}) {
    const auto it = std::find_if(list->begin(), list->end(),
                                 [&](const auto& s) { return s->request.id == id; });
    if (it == list->end()) continue;
    std::unique_ptr<Sequence> sequence = std::move(*it);
    list->erase(it);
    if (keep_prefix) {
      cache_.publish(sequence->key, std::span(sequence->tokens).first(sequence->n_done),
                     sequence->kv);
    }
    cache_.release(sequence->kv);
    fair_.leave(sequence->request.caller);
    return sequence;
  }
  return nullptr;
}

std::unique_ptr<Sequence> Scheduler::take_any() {
  if (!has_work()) return nullptr;
  return take((running_.empty() ? waiting_ : running_).front()->request.id, true);
}

bool Scheduler::has_streams() const {
  return std::any_of(running_.begin(), running_.end(),
                     [](const auto& s) { return s->n_to_do() == 1; });
}

StepPlan Scheduler::plan(const StepCost& cost, bool beside_streams) {
  admit();
  restore_prefixes(beside_streams);
  look_up_prefixes();
  StepPlan plan = plan_running(cost, beside_streams);
  // The only one in the plan may have had to give its place up: then it is another's turn.
  const auto computes = [](const auto& s) { return !s->is_restoring; };
  while (plan.entries.empty() && std::any_of(running_.begin(), running_.end(), computes)) {
    plan = plan_running(cost, beside_streams);
  }
  return plan;
}

StepPlan Scheduler::plan_running(const StepCost& cost, bool beside_streams) {
  std::vector<PlanEntry> wanted;
  for (const auto& sequence : running_) {
    if (sequence->n_to_do() == 1) wanted.push_back(entry_for(*sequence, 1));
  }
  if (const auto prompts = prompts_of_step(wanted.size(), cost, beside_streams); !prompts.empty()) {
    wanted.insert(wanted.end(), prompts.begin(), prompts.end());
  } else if (options_.speculates && wanted.size() <= options_.max_drafting) {
    add_drafts(wanted, cost);
  }
  // From the oldest on: who must give its place up is then never in the plan already.
  std::sort(wanted.begin(), wanted.end(), [](const PlanEntry& a, const PlanEntry& b) {
    return is_older(a.sequence, b.sequence);
  });

  StepPlan plan;
  for (PlanEntry& entry : wanted) {
    if (!is_running(entry.sequence) || !get_pages(entry)) continue;
    const bool is_decode = entry.count == 1 || !entry.draft.empty();
    (is_decode ? plan.n_decode_rows : plan.n_prompt_rows) += entry.count;
    plan.n_logit_rows += entry.n_logit_rows();
    plan.entries.push_back(std::move(entry));
  }
  return plan;
}

void Scheduler::advance(const PlanEntry& entry) {
  Sequence& s = *entry.sequence;
  const uint32_t end = entry.first + entry.count;
  // Computing again what was lost to preemption is not the caller's doing.
  if (end > s.n_accounted) {
    fair_.charge(s.request.caller, end - std::max(entry.first, s.n_accounted));
    s.n_accounted = end;
  }
  s.n_done = end;
  const uint32_t page_tokens = cache_.layout().page_tokens;
  const bool fills_page = entry.first / page_tokens != end / page_tokens;
  const bool ends_prompt = entry.first < s.n_prompt() && end >= s.n_prompt();
  if (fills_page || ends_prompt) cache_.publish(s.key, std::span(s.tokens).first(end), s.kv);
  cache_.trim(s.kv, end);
}

void Scheduler::admit() {
  while (!waiting_.empty()) {
    const auto next =
        std::min_element(waiting_.begin(), waiting_.end(), [&](const auto& a, const auto& b) {
          const uint64_t served_a = fair_.served(a->request.caller);
          const uint64_t served_b = fair_.served(b->request.caller);
          return std::tie(served_a, a->arrival) < std::tie(served_b, b->arrival);
        });
    const Sequence* chosen = next->get();
    // Nobody overtakes the one whose turn it is, or large requests would wait for ever.
    while (running_.size() >= options_.max_running || (!running_.empty() && !fits(*chosen))) {
      if (!make_room_for(*chosen)) return;
    }
    const auto at = std::find_if(waiting_.begin(), waiting_.end(),
                                 [&](const auto& s) { return s.get() == chosen; });
    running_.push_back(std::move(*at));
    waiting_.erase(at);
    running_.back()->seen_version = UINT64_MAX;
  }
}

// In tokens: what is known, and a page of the answer.
uint64_t Scheduler::needed_soon(const Sequence& s) const {
  return std::min<uint64_t>(s.n_most(), s.n_known() + cache_.layout().page_tokens);
}

bool Scheduler::fits(const Sequence& sequence) const {
  const KvMemory& memory = cache_.memory();
  uint64_t spoken_for = memory.pinned_bytes();
  for (const auto& s : running_) {
    const uint64_t will_hold = cache_.bytes_for(needed_soon(*s));
    const uint64_t holds = cache_.bytes_held(s->kv);
    if (will_hold > holds) spoken_for += will_hold - holds;
  }
  const uint64_t adds = cache_.bytes_to_add(sequence.key, sequence.tokens, sequence.resume_limit(),
                                            needed_soon(sequence));
  return spoken_for + adds <= memory.budget_bytes();
}

// A caller without any place takes one from the caller who has most of them.
bool Scheduler::make_room_for(const Sequence& sequence) {
  std::map<std::string_view, std::vector<Sequence*>> by_caller;
  for (const auto& s : running_) by_caller[s->request.caller].push_back(s.get());
  if (by_caller.contains(sequence.request.caller)) return false;
  const auto most = std::max_element(
      by_caller.begin(), by_caller.end(),
      [](const auto& a, const auto& b) { return a.second.size() < b.second.size(); });
  if (most->second.size() < 2) return false;
  preempt(*std::max_element(most->second.begin(), most->second.end(), is_older));
  return true;
}

// Stored pages are read in parts, so that streams go on meanwhile. A sequence reads no more than
// twice what it needs: whatever happens to the pages in between, it will begin to compute.
void Scheduler::restore_prefixes(bool beside_streams) {
  const bool is_quiet = !beside_streams && !has_streams();
  uint64_t left = is_quiet ? options_.quiet_read_bytes : options_.step_read_bytes;
  for (const auto& s : running_) {
    if (!s->is_restoring || left == 0) continue;
    const uint64_t n_bytes = cache_.restore(s->key, s->tokens, s->resume_limit(), s->n_done, left);
    s->n_restored_bytes += n_bytes;
    s->is_restoring = n_bytes > 0 && s->n_restored_bytes < 2 * cache_.bytes_for(s->n_known());
    left -= std::min(left, n_bytes);
  }
}

// Sequences that still read look again whenever the tree has grown: of several requests with the
// same beginning, each takes over what another has computed meanwhile.
void Scheduler::look_up_prefixes() {
  for (const auto& s : running_) {
    if (s->n_to_do() <= 1 || s->seen_version == cache_.tree().version()) continue;
    s->seen_version = cache_.tree().version();
    const uint32_t n = cache_.resume(s->key, s->tokens, s->resume_limit(), s->n_done, s->kv);
    if (n > s->n_accounted) {
      s->n_cached += std::min(n, s->n_prompt()) - std::min(s->n_accounted, s->n_prompt());
      s->n_accounted = n;
    }
    s->n_done = n;
  }
}

// As many prompts as the time of a step has room for. One that wants the logits of all its rows is
// read alone.
std::vector<PlanEntry> Scheduler::prompts_of_step(size_t n_decode_rows, const StepCost& cost,
                                                  bool beside_streams) const {
  const bool is_quiet = n_decode_rows == 0 && !beside_streams;
  const auto budget = is_quiet ? options_.quiet_budget : options_.step_budget;
  uint32_t left = std::min(cost.prompt_rows(n_decode_rows, budget, options_.chunk_multiple),
                           options_.max_chunk);
  std::vector<PlanEntry> prompts;
  while (left > 0) {
    Sequence* next = next_prompt(prompts);
    if (next == nullptr) break;
    prompts.push_back(entry_for(*next, left));
    left -= prompts.back().count;
    if (next->wants_prompt_logprobs()) break;
  }
  return prompts;
}

// Whose turn it is when `chosen` are read already.
Sequence* Scheduler::next_prompt(std::span<const PlanEntry> chosen) const {
  const uint32_t page_tokens = cache_.layout().page_tokens;
  Sequence* next = nullptr;
  uint64_t least = UINT64_MAX;
  for (const auto& s : running_) {
    if (s->n_to_do() <= 1 || s->is_restoring) continue;
    if (!chosen.empty() && s->wants_prompt_logprobs()) continue;
    uint64_t served = fair_.served(s->request.caller);
    bool must_wait = false;
    for (const PlanEntry& entry : chosen) {
      must_wait = must_wait || computes_for(*entry.sequence, *s, page_tokens);
      if (entry.sequence->request.caller == s->request.caller) served += entry.count;
    }
    if (must_wait) continue;
    if (next == nullptr || std::tie(served, s->arrival) < std::tie(least, next->arrival)) {
      next = s.get();
      least = served;
    }
  }
  return next;
}

// Guesses stay in the page of the known token: they never cost another its memory, and a page is
// published when all of it is accepted. The answer's last token is never computed.
void Scheduler::add_drafts(std::vector<PlanEntry>& wanted, const StepCost& cost) {
  const uint32_t page_tokens = cache_.layout().page_tokens;
  size_t n_rows = wanted.size();
  for (PlanEntry& entry : wanted) {
    Sequence& s = *entry.sequence;
    if (s.n_new == 0 || s.wants_prompt_logprobs()) continue;
    const uint32_t in_page = page_tokens - 1 - entry.first % page_tokens;
    const uint32_t in_answer = s.request.max_new_tokens - s.n_new - 1;
    const auto in_step =
        static_cast<uint32_t>(wanted.size() + options_.max_chunk - n_rows);  // of the runner
    const uint32_t most = std::min({in_page, in_answer, in_step});
    add_draft(entry, most, n_rows, wanted.size() == 1, cost);
    n_rows += entry.count - 1;
  }
}

// From the text itself, which costs nothing, or else from the draft model.
void Scheduler::add_draft(PlanEntry& entry, uint32_t n_most, size_t n_rows, bool is_alone,
                          const StepCost& cost) {
  Sequence& s = *entry.sequence;
  std::vector<TokenId> draft = {s.tokens.back()};
  entry.gate = &s.gate;
  if (const uint32_t n = s.gate.choose(n_most, n_rows, cost); n > 0) {
    look_up_draft(s.tokens, n, draft);
  }
  if (draft.size() == 1 && drafter_ != nullptr && is_alone) {
    entry.gate = &s.model_gate;
    const double us = drafter_->us_per_guess();
    if (const uint32_t n = s.model_gate.choose(n_most, n_rows, cost, us); n > 0) {
      drafter_->guess(s.tokens, n, draft);
    }
  }
  if (draft.size() == 1) return;
  entry.draft = std::move(draft);
  entry.count = static_cast<uint32_t>(entry.draft.size());
}

PlanEntry Scheduler::entry_for(Sequence& s, uint32_t count) const {
  PlanEntry entry{&s, s.n_done, std::min(count, s.n_to_do())};
  if (s.wants_prompt_logprobs()) entry.count = std::min(entry.count, options_.max_logprob_rows);
  return entry;
}

// Gets pages for the entry, perhaps fewer tokens than it wanted. False if the sequence itself had
// to give its place up.
bool Scheduler::get_pages(PlanEntry& entry) {
  Sequence& s = *entry.sequence;
  uint32_t room = cache_.grow(s.kv, entry.first + entry.count);
  while (room <= entry.first) {
    Sequence* youngest =
        std::max_element(running_.begin(), running_.end(), [](const auto& a, const auto& b) {
          return is_older(a.get(), b.get());
        })->get();
    MARU_CHECK(running_.size() > 1);  // alone it fits: submit() saw to that
    preempt(youngest);
    if (youngest == &s) return false;
    room = cache_.grow(s.kv, entry.first + entry.count);
  }
  entry.count = std::min(entry.count, room - entry.first);
  const bool is_end = entry.first + entry.count == s.n_known();
  // After a preemption the first rows' logprobs may have been sent already.
  if (!entry.draft.empty()) {
    entry.draft.resize(entry.count);
    entry.logits = models::LogitsWanted::kAll;
  } else if (s.wants_prompt_logprobs() && entry.first + entry.count > s.n_prompt_logprobs) {
    entry.logits = models::LogitsWanted::kAll;
  } else if (is_end && s.request.max_new_tokens > 0) {
    entry.logits = models::LogitsWanted::kLast;
  }
  return true;
}

void Scheduler::preempt(Sequence* sequence) {
  const auto it = std::find_if(running_.begin(), running_.end(),
                               [&](const auto& s) { return s.get() == sequence; });
  cache_.publish(sequence->key, std::span(sequence->tokens).first(sequence->n_done), sequence->kv);
  cache_.release(sequence->kv);
  sequence->n_done = 0;
  sequence->is_restoring = true;
  waiting_.push_back(std::move(*it));
  running_.erase(it);
  ++n_preempted_;
}

bool Scheduler::is_running(const Sequence* sequence) const {
  return std::any_of(running_.begin(), running_.end(),
                     [&](const auto& s) { return s.get() == sequence; });
}

}  // namespace maru::engine
