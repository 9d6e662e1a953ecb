// Decides what the next step computes: continuous batching over one model's sequences. The plan is
// a value: prompt chunk, decode step and a draft to verify differ only in `count`.
//
// - Every step takes a row of each sequence with one token to do, and as many rows of prompts as
// its time has room for. A prompt that begins like one that is being read waits for its pages.
// - Callers take turns by tokens served, in who gets a place and in whose prompt is read.
// - A request gets a place when the pages it needs soon are free or can be evicted. When pages run
//   out later, the youngest sequence gives its place up: its pages stay in the prefix tree while
//   there is room, and it goes on later with the same tokens.
// The oldest running sequence always advances, since it could have all pages: no deadlock.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/drafter.h"
#include "engine/fair_order.h"
#include "engine/kv_cache.h"
#include "engine/sequence.h"
#include "engine/step_cost.h"
#include "models/model.h"

namespace maru::engine {

struct SchedulerOptions {
  size_t max_running = 16;                        // sequences with pages, and rows of a decode step
  uint32_t max_chunk = 512;                       // prompt tokens of one step
  uint32_t chunk_multiple = 32;                   // and their granularity
  uint32_t max_logprob_rows = 64;                 // of a chunk whose every position wants logits
  bool speculates = true;                         // guesses tokens where it pays (speculation.h)
  size_t max_drafting = 4;                        // streams; with more, a step is wide already
  std::chrono::microseconds step_budget{75'000};  // while someone's stream waits for the step
  std::chrono::microseconds quiet_budget{300'000};  // while nobody's does
  uint64_t step_read_bytes = uint64_t{16} << 20;    // of stored pages before a step, as above
  uint64_t quiet_read_bytes = uint64_t{256} << 20;
};

struct PlanEntry {
  Sequence* sequence = nullptr;
  uint32_t first = 0;  // position
  uint32_t count = 0;
  models::LogitsWanted logits = models::LogitsWanted::kNone;
  // The last known token and, behind it, guesses: `count` in all. Empty where all are known.
  std::vector<TokenId> draft = {};
  DraftGate* gate = nullptr;  // of who made the draft

  std::span<const TokenId> tokens() const;
  size_t n_logit_rows() const;
};
struct StepPlan {
  std::vector<PlanEntry> entries;
  size_t n_decode_rows = 0, n_prompt_rows = 0, n_logit_rows = 0;  // guesses are decode rows
};

// Not thread-safe. Owns the sequences between add() and take().
class Scheduler {
 public:
  // `cache` must outlive the scheduler and hold the longest sequence that add() may bring.
  Scheduler(KvCache& cache, const SchedulerOptions& options);

  void add(std::unique_ptr<Sequence> sequence);
  // Removes a sequence (cancelled or at its end); its pages are given back, after publishing what
  // was computed if `keep_prefix`. Null if unknown.
  std::unique_ptr<Sequence> take(RequestId id, bool keep_prefix);
  std::unique_ptr<Sequence> take_any();  // null when there are none

  // Guesses where the text itself gives none, for one stream at a time. Must outlive the scheduler.
  void set_drafter(Drafter* drafter) { drafter_ = drafter; }

  // Pages for all of the plan are there. Empty only when there is nothing to do, or all that run
  // have stored pages still to read: the next call goes on with that. `beside_streams`: streams of
  // another model wait for this step too.
  StepPlan plan(const StepCost& cost, bool beside_streams = false);
  // Accounts for an entry that was run; of a draft, for one row at a time, as long as its guesses
  // turn out right.
  void advance(const PlanEntry& entry);

  bool has_work() const { return !waiting_.empty() || !running_.empty(); }
  bool has_streams() const;  // sequences that have one token to do
  size_t n_waiting() const { return waiting_.size(); }
  uint64_t n_preempted() const { return n_preempted_; }
  const std::vector<std::unique_ptr<Sequence>>& running() const { return running_; }
  const FairOrder& fair_order() const { return fair_; }

 private:
  using Sequences = std::vector<std::unique_ptr<Sequence>>;

  void admit();
  bool fits(const Sequence& sequence) const;
  bool make_room_for(const Sequence& sequence);
  void restore_prefixes(bool beside_streams);
  void look_up_prefixes();
  StepPlan plan_running(const StepCost& cost, bool beside_streams);
  std::vector<PlanEntry> prompts_of_step(size_t n_decode_rows, const StepCost& cost,
                                         bool beside_streams) const;
  Sequence* next_prompt(std::span<const PlanEntry> chosen) const;
  void add_drafts(std::vector<PlanEntry>& wanted, const StepCost& cost);
  void add_draft(PlanEntry& entry, uint32_t n_most, size_t n_rows, bool is_alone,
                 const StepCost& cost);
  PlanEntry entry_for(Sequence& sequence, uint32_t count) const;
  bool get_pages(PlanEntry& entry);
  void preempt(Sequence* sequence);
  bool is_running(const Sequence* sequence) const;
  uint64_t needed_soon(const Sequence& sequence) const;

  KvCache& cache_;
  const SchedulerOptions options_;
  Sequences waiting_, running_;
  FairOrder fair_;
  Drafter* drafter_ = nullptr;
  uint64_t n_preempted_ = 0;
};

}  // namespace maru::engine
