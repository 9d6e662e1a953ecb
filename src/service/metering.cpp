#include "service/metering.h"

#include <algorithm>
#include <condition_variable>
#include <thread>
#include <utility>
#include <vector>

#include "base/log.h"
#include "store/usage.h"

namespace maru::service {
namespace {

// A row is written this far ahead of what was given out. The bound is 32; what lies between
// the two is room for tokens that were given out and are still on their way to the client.
constexpr int64_t kAhead = 24;
// With fewer left the next step is asked for.
constexpr int64_t kReserve = kAhead / 2;
constexpr auto kRetry = std::chrono::milliseconds(250);

constexpr const char* kOutcomes[] = {"stop",  "length", "cancelled",  "client_left",
                                     "limit", "failed", "interrupted"};
static_assert(std::size(kOutcomes) == static_cast<size_t>(Outcome::kCount));

Refusal unavailable(const Error& cause) {
  Refusal refusal;
  refusal.error = {ErrorCode::kUnavailable, "usage can't be recorded: " + cause.message,
                   "try again later; an admin should look at the server's disk or database", "",
                   Reason{"usage_not_recorded"}};
  return refusal;
}

void reserve(store::UsageRow& row, int64_t tokens_out, int64_t now) {
  row.tokens_out = tokens_out + kAhead;
  row.updated_at = now;
  row.cost_micros = cost_micros(row.price, {row.tokens_in, 0, row.tokens_out, 0});
}

}  // namespace

const char* outcome_name(Outcome outcome) { return kOutcomes[static_cast<size_t>(outcome)]; }

// All but `handlers` (set once) and `pass` is guarded by the core's mutex.
struct Meter::Entry {
  store::UsageRow row;  // as it shall be on the disk
  Limits::Pass pass;
  MeterHandlers handlers;
  int64_t given_out = 0;
  int64_t durable = 0;  // tokens_out on the disk
  bool is_inserted = false;
  bool is_dirty = false;
  bool is_waiting = false;  // somebody holds tokens back
  bool is_ended = false;
  bool is_discarded = false;
  std::optional<Refusal> refusal;
};

struct Meter::Core {
  Core(std::shared_ptr<store::Database> a_database, MeteringOptions some_options)
      : database(std::move(a_database)), options(std::move(some_options)) {}

  using Entries = std::vector<std::shared_ptr<Entry>>;
  struct Task {  // what is written of an entry, as of one moment
    std::shared_ptr<Entry> entry;
    store::UsageRow row;
    bool is_inserted, is_discarded;
  };

  void mark(const std::shared_ptr<Entry>& entry);
  void end(const std::shared_ptr<Entry>& entry);
  void run();
  std::vector<Task> take_tasks();
  Status write(const std::vector<Task>& tasks);
  void settle(std::vector<Task>& tasks, const Status& status);
  Status read_rules();
  Status restore();

  const std::shared_ptr<store::Database> database;
  const MeteringOptions options;
  Limits limits;

  std::mutex mutex;
  std::condition_variable changed;
  PriceTable prices;
  Entries dirty;
  size_t n_open = 0;
  std::optional<int64_t> failing_since;
  bool is_stopping = false;
  std::thread writer;
};

void Meter::Core::mark(const std::shared_ptr<Entry>& entry) {
  if (entry->is_dirty) return;
  entry->is_dirty = true;
  dirty.push_back(entry);
  changed.notify_one();
}

void Meter::Core::end(const std::shared_ptr<Entry>& entry) {
  entry->is_ended = true;
  limits.leave(entry->pass);
  mark(entry);
}

std::vector<Meter::Core::Task> Meter::Core::take_tasks() {
  std::vector<Task> tasks;
  for (auto& entry : std::exchange(dirty, {})) {
    entry->is_dirty = false;
    if (entry->is_discarded && !entry->is_inserted) {  // nothing to remove
      if (entry->is_ended) --n_open;
      continue;
    }
    tasks.push_back({entry, entry->row, entry->is_inserted, entry->is_discarded});
  }
  return tasks;
}

Status Meter::Core::write(const std::vector<Task>& tasks) {
  return database->write([&](store::Transaction& transaction) -> Status {
    for (const Task& task : tasks) {
      if (task.is_discarded) {
        MARU_RETURN_IF_ERROR(store::remove_usage(transaction, task.row.id));
      } else if (task.is_inserted) {
        MARU_RETURN_IF_ERROR(store::update_usage(transaction, task.row));
      } else {
        MARU_RETURN_IF_ERROR(store::insert_usage(transaction, task.row));
      }
    }
    return {};
  });
}

// After a write: what waited for it goes on. After a failure new requests are refused, and what
// runs is written again until give_up_ms have passed.
void Meter::Core::settle(std::vector<Task>& tasks, const Status& status) {
  std::vector<std::function<void()>> calls;
  {
    const std::lock_guard lock(mutex);
    const int64_t now = options.now();
    if (status) failing_since.reset();
    if (!status && !failing_since) failing_since = now;
    const bool gives_up = failing_since && now - *failing_since >= options.give_up_ms;
    for (Task& task : tasks) {
      Entry& entry = *task.entry;
      const bool is_new = !task.is_inserted;
      if (status) {
        entry.is_inserted = true;
        entry.durable = task.row.tokens_out;
      } else if (is_new) {
        entry.refusal = unavailable(status.error());
        entry.is_discarded = true;
      } else {
        mark(task.entry);
      }
      if (is_new) {
        calls.emplace_back([&handlers = entry.handlers, status] { handlers.on_opened(status); });
      }
      if (entry.is_waiting && (status || gives_up)) {
        if (!status) entry.refusal = unavailable(status.error());
        entry.is_waiting = false;
        calls.emplace_back([&handlers = entry.handlers] { handlers.on_ready(); });
      }
      if (entry.is_ended && !entry.is_dirty) --n_open;
    }
  }
  for (const auto& call : calls) call();
}

void Meter::Core::run() {
  const auto refresh_interval = std::chrono::milliseconds(options.refresh_ms);
  auto next_refresh = std::chrono::steady_clock::now() + refresh_interval;
  bool has_failed = false;
  while (true) {
    std::vector<Task> tasks;
    {
      std::unique_lock lock(mutex);
      if (has_failed) {
        changed.wait_for(lock, kRetry, [this] { return is_stopping; });
      } else {
        changed.wait_until(lock, next_refresh, [this] { return is_stopping || !dirty.empty(); });
      }
      if (is_stopping && (dirty.empty() || has_failed)) return;
      tasks = take_tasks();
    }
    if (!tasks.empty()) {
      const Status status = write(tasks);
      if (!status && !has_failed) log_error("usage: {}", status.error().to_string());
      has_failed = !status;
      settle(tasks, status);
    }
    if (std::chrono::steady_clock::now() < next_refresh) continue;
    if (const Status status = read_rules(); !status) {
      log_warning("limits and prices were not read anew: {}", status.error().to_string());
    }
    next_refresh = std::chrono::steady_clock::now() + refresh_interval;
  }
}

Status Meter::Core::read_rules() {
  return database->read([this](store::Transaction& transaction) -> Status {
    MARU_ASSIGN_OR_RETURN(const auto rules, store::list_limits(transaction));
    MARU_ASSIGN_OR_RETURN(const auto rows, store::list_prices(transaction));
    limits.set_rules(rules);
    PriceTable table(rows);
    const std::lock_guard lock(mutex);
    prices = std::move(table);
    return {};
  });
}

Status Meter::Core::restore() {
  const int64_t now = options.now();
  MARU_RETURN_IF_ERROR(database->write([now](store::Transaction& transaction) -> Status {
    MARU_ASSIGN_OR_RETURN(const int64_t n, store::close_interrupted_usage(transaction, now));
    if (n > 0) log_warning("usage: {} requests were interrupted by the last end", n);
    return {};
  }));
  return database->read([&](store::Transaction& transaction) -> Status {
    store::UsageFilter month;
    month.begin = month_begin(now);
    month.end = now + 1;
    const auto restore_by = [&](SubjectKind kind, const store::UsageGrouping& grouping,
                                std::string store::UsageSum::* id) -> Status {
      MARU_ASSIGN_OR_RETURN(const auto sums, store::sum_usage(transaction, month, 0, grouping));
      for (const store::UsageSum& sum : sums) {
        if ((sum.*id).empty()) continue;
        limits.restore_month(kind, sum.*id, now, sum.tokens_in + sum.tokens_out, sum.cost_micros);
      }
      return {};
    };
    using Sum = store::UsageSum;
    MARU_RETURN_IF_ERROR(restore_by(SubjectKind::kUser, {.by_user = true}, &Sum::user_id));
    MARU_RETURN_IF_ERROR(restore_by(SubjectKind::kProject, {.by_project = true}, &Sum::project_id));
    MARU_RETURN_IF_ERROR(restore_by(SubjectKind::kKey, {.by_key = true}, &Sum::key_id));
    MARU_ASSIGN_OR_RETURN(const auto groups, store::sum_usage_by_group(transaction, month.begin));
    for (const auto& [id, sum] : groups) {
      limits.restore_month(SubjectKind::kGroup, id, now, sum.tokens_in + sum.tokens_out,
                           sum.cost_micros);
    }
    constexpr int64_t kMinute = 60'000;
    constexpr size_t kMostRows = 100'000;
    store::UsageFilter minute;
    minute.begin = now - kMinute;
    minute.end = now + 1;
    MARU_ASSIGN_OR_RETURN(const auto rows, store::list_usage(transaction, minute, kMostRows));
    for (const store::UsageRow& row : rows) {
      const auto pass = limits.pass_of({row.user_id, row.key_id, row.project_id, {}});
      limits.restore_minute(pass, row.opened_at, 1, row.tokens_in);
      limits.restore_minute(pass, row.updated_at, 0, row.tokens_out);
    }
    return {};
  });
}

Meter::Meter(std::shared_ptr<Core> core, std::shared_ptr<Entry> entry)
    : core_(std::move(core)), entry_(std::move(entry)) {}

Meter::~Meter() {
  const store::UsageRow& row = entry_->row;
  close(Outcome::kClientLeft, {row.tokens_in, 0, entry_->given_out, 0});
}

Meter::Verdict Meter::pass(int64_t tokens_out) {
  Entry& entry = *entry_;
  const std::lock_guard lock(core_->mutex);
  if (entry.refusal) return Verdict::kOver;
  store::UsageRow& row = entry.row;
  const int64_t now = core_->options.now();
  if (tokens_out > entry.given_out) {
    if (tokens_out > entry.durable) {
      // Held back: the row must be there first.
      entry.is_waiting = true;
      if (row.tokens_out < tokens_out) {
        reserve(row, tokens_out, now);
        core_->mark(entry_);
      }
      return Verdict::kHold;
    }
    const int64_t before = cost_micros(row.price, {row.tokens_in, 0, entry.given_out, 0});
    const int64_t after = cost_micros(row.price, {row.tokens_in, 0, tokens_out, 0});
    if (auto refusal =
            core_->limits.spend(entry.pass, tokens_out - entry.given_out, after - before, now)) {
      entry.refusal = std::move(refusal);
      return Verdict::kOver;
    }
    if (!row.first_token_ms) row.first_token_ms = now - row.opened_at;
    entry.given_out = tokens_out;
  }
  if (row.tokens_out - tokens_out < kReserve) {
    reserve(row, tokens_out, now);
    core_->mark(entry_);
  }
  return Verdict::kPass;
}

Refusal Meter::refusal() const {
  const std::lock_guard lock(core_->mutex);
  return entry_->refusal.value_or(Refusal{});
}

int64_t Meter::cost(const TokenCounts& tokens) const {
  const std::lock_guard lock(core_->mutex);
  return cost_micros(entry_->row.price, tokens);
}

void Meter::close(Outcome outcome, const TokenCounts& tokens) {
  Entry& entry = *entry_;
  const std::lock_guard lock(core_->mutex);
  if (entry.is_ended) return;
  store::UsageRow& row = entry.row;
  const int64_t now = core_->options.now();
  const int64_t counted = cost_micros(row.price, {row.tokens_in, 0, entry.given_out, 0});
  row.tokens_cached = tokens.cached;
  row.tokens_out = tokens.out;
  row.tokens_reasoning = tokens.reasoning;
  row.cost_micros = cost_micros(row.price, {row.tokens_in, tokens.cached, tokens.out, 0});
  core_->limits.spend(entry.pass, tokens.out - entry.given_out, row.cost_micros - counted, now);
  row.updated_at = now;
  row.closed_at = now;
  row.total_ms = now - row.opened_at;
  row.outcome = outcome_name(outcome);
  core_->end(entry_);
}

void Meter::discard() {
  Entry& entry = *entry_;
  const std::lock_guard lock(core_->mutex);
  if (entry.is_ended) return;
  const store::UsageRow& row = entry.row;
  core_->limits.spend(entry.pass, -row.tokens_in - entry.given_out,
                      -cost_micros(row.price, {row.tokens_in, 0, entry.given_out, 0}),
                      core_->options.now());
  entry.is_discarded = true;
  core_->end(entry_);
}

Metering::Metering(std::shared_ptr<Meter::Core> core) : core_(std::move(core)) {}

Result<std::shared_ptr<Metering>> Metering::start(std::shared_ptr<store::Database> database,
                                                  MeteringOptions options) {
  auto core = std::make_shared<Meter::Core>(std::move(database), std::move(options));
  MARU_RETURN_IF_ERROR(core->read_rules());
  MARU_RETURN_IF_ERROR(core->restore());
  core->writer = std::thread([raw = core.get()] { raw->run(); });
  return std::shared_ptr<Metering>(new Metering(std::move(core)));
}

Metering::~Metering() {
  {
    const std::lock_guard lock(core_->mutex);
    core_->is_stopping = true;
  }
  core_->changed.notify_all();
  core_->writer.join();
}

std::unique_ptr<Meter> Metering::admit(const Admission& admission, MeterHandlers handlers,
                                       Refusal& refusal) {
  Meter::Core& core = *core_;
  auto entry = std::make_shared<Meter::Entry>();
  store::UsageRow& row = entry->row;
  const std::lock_guard lock(core.mutex);
  const int64_t now = core.options.now();
  if (core.n_open >= core.options.max_open) {
    refusal = {{ErrorCode::kRateLimited, "too many requests are open", "try again in a moment", "",
                Reason{"server_busy"}},
               {},
               {},
               1000};
    return nullptr;
  }
  row.id = admission.id;
  row.request_id = admission.request_id;
  row.user_id = admission.spender.user_id;
  row.key_id = admission.spender.key_id;
  row.project_id = admission.spender.project_id;
  row.model = admission.model;
  row.opened_at = now;
  row.tokens_in = admission.tokens_in;
  row.price = core.prices.at(row.model, now);
  reserve(row, 0, now);
  const int64_t cost_in = cost_micros(row.price, {row.tokens_in, 0, 0, 0});
  if (auto refused = core.limits.admit(admission.pass, row.tokens_in, cost_in, now)) {
    refusal = *std::move(refused);
    return nullptr;
  }
  entry->pass = admission.pass;
  entry->handlers = std::move(handlers);
  ++core.n_open;
  core.mark(entry);
  return std::unique_ptr<Meter>(new Meter(core_, std::move(entry)));
}

Limits& Metering::limits() { return core_->limits; }

int64_t Metering::now() const { return core_->options.now(); }

Status Metering::refresh() { return core_->read_rules(); }

}  // namespace maru::service
