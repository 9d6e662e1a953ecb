#include "service/limits.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

namespace maru::service {
namespace {

constexpr int64_t kSecond = 1000;
constexpr int64_t kWindowSeconds = 60;
constexpr int64_t kStreamRetryMs = 1000;
constexpr const char* kEach = "*";

constexpr const char* kLimitNames[] = {
    "requests_per_minute", "tokens_per_minute", "tokens_per_month",
    "money_per_month",     "streams",           "context"};
static_assert(std::size(kLimitNames) == static_cast<size_t>(LimitName::kCount));
constexpr const char* kKindNames[] = {"user", "group", "project", "key"};
static_assert(std::size(kKindNames) == static_cast<size_t>(SubjectKind::kCount));

// What was used in each of the last 60 seconds.
class Window {
 public:
  void add(int64_t now, int64_t n) {
    const int64_t second = now / kSecond;
    Slot& slot = slots_[static_cast<size_t>(second % kWindowSeconds)];
    if (slot.second > second) return;  // the clock was set back, by a minute or more
    if (slot.second < second) slot = {second, 0};
    slot.n += n;
  }

  int64_t used(int64_t now) const {
    int64_t sum = 0;
    for (const Slot& slot : slots_) sum += is_in(slot, now) ? slot.n : 0;
    return sum;
  }

  // Until at most `most` of it are left in the window.
  int64_t wait_ms(int64_t now, int64_t most) const {
    int64_t left = used(now);
    for (int64_t second = now / kSecond - kWindowSeconds + 1; left > most; ++second) {
      if (second > now / kSecond) return kWindowSeconds * kSecond;
      const Slot& slot = slots_[static_cast<size_t>(second % kWindowSeconds)];
      if (slot.second == second) left -= slot.n;
      if (left <= most) return (second + kWindowSeconds) * kSecond - now;
    }
    return 0;
  }

 private:
  struct Slot {
    int64_t second = -1;
    int64_t n = 0;
  };
  static bool is_in(const Slot& slot, int64_t now) {
    return slot.second > now / kSecond - kWindowSeconds && slot.second <= now / kSecond;
  }
  std::array<Slot, kWindowSeconds> slots_;
};

std::chrono::year_month month_of(int64_t now) {
  const std::chrono::sys_time<std::chrono::milliseconds> time{std::chrono::milliseconds(now)};
  const std::chrono::year_month_day day(std::chrono::floor<std::chrono::days>(time));
  return day.year() / day.month();
}

int64_t begin_of(std::chrono::year_month month) {
  const std::chrono::sys_days first = month / 1;
  return std::chrono::duration_cast<std::chrono::milliseconds>(first.time_since_epoch()).count();
}

Refusal refuse(LimitName name, const std::string& who, const std::string& message,
               int64_t retry_after_ms, Reason reason) {
  const bool is_quota = name == LimitName::kTokensPerMonth || name == LimitName::kMoneyPerMonth;
  Refusal refusal;
  refusal.error = {
      ErrorCode::kRateLimited, fmt::format("{} (limit {} of {})", message, limit_name(name), who),
      is_quota ? "an admin can raise the limit" : "try again later", "", std::move(reason)};
  if (is_quota) {
    refusal.type = refusal.code = "insufficient_quota";
  } else {
    refusal.type = name == LimitName::kTokensPerMinute ? "tokens" : "requests";
    refusal.code = "rate_limit_exceeded";
  }
  refusal.retry_after_ms = retry_after_ms;
  return refusal;
}

}  // namespace

class Limits::Account {
 public:
  Account(const Subject& subject, const Rules& some_rules)
      : kind(subject_kind_name(subject.first)),
        name(fmt::format("{} {}", kind, subject.second)),
        rules(some_rules) {}

  std::optional<int64_t> limit(LimitName which) const { return rules[static_cast<size_t>(which)]; }

  void roll(int64_t now) {
    const int64_t begin = month_begin(now);
    if (begin == month) return;
    month = begin;
    month_tokens = month_cost = 0;
  }

  void charge(int64_t tokens, int64_t cost, int64_t now) {
    roll(now);
    minute_tokens.add(now, tokens);
    month_tokens += tokens;
    month_cost += cost;
  }

  // Whether `tokens` and `cost` more would pass a limit.
  std::optional<Refusal> check_use(int64_t tokens, int64_t cost, int64_t now) const;
  std::optional<Refusal> check_request(int64_t now) const;

  const char* const kind;
  const std::string name;  // "user user_abc"
  Rules rules;
  Window minute_requests, minute_tokens;
  int64_t month = 0;  // its first millisecond
  int64_t month_tokens = 0, month_cost = 0;
  int64_t n_streams = 0;
};

std::optional<Refusal> Limits::Account::check_request(int64_t now) const {
  const int64_t used = minute_requests.used(now);
  if (const auto most = limit(LimitName::kRequestsPerMinute); most && used + 1 > *most) {
    return refuse(
        LimitName::kRequestsPerMinute, name,
        fmt::format("Rate limit reached for requests per min: Limit {}, Used {}", *most, used),
        minute_requests.wait_ms(now, *most - 1),
        Reason{"limit_requests",
               {{"who", kind},
                {"limit", *most},
                {"again", now + minute_requests.wait_ms(now, *most - 1)}}});
  }
  if (const auto most = limit(LimitName::kStreams); most && n_streams + 1 > *most) {
    return refuse(LimitName::kStreams, name,
                  fmt::format("Too many answers run at the same time: Limit {}", *most),
                  kStreamRetryMs, Reason{"limit_streams", {{"who", kind}, {"limit", *most}}});
  }
  return std::nullopt;
}

std::optional<Refusal> Limits::Account::check_use(int64_t tokens, int64_t cost, int64_t now) const {
  if (const auto most = limit(LimitName::kTokensPerMinute)) {
    const int64_t used = minute_tokens.used(now);
    if (used + tokens > *most) {
      const int64_t wait = minute_tokens.wait_ms(now, std::max<int64_t>(0, *most - tokens));
      return refuse(
          LimitName::kTokensPerMinute, name,
          fmt::format("Rate limit reached for tokens per min: Limit {}, Used {}, "
                      "Requested {}",
                      *most, used, tokens),
          wait,
          tokens > *most
              ? Reason{"limit_message", {{"who", kind}, {"limit", *most}, {"needed", tokens}}}
              : Reason{"limit_tokens", {{"who", kind}, {"limit", *most}, {"again", now + wait}}});
    }
  }
  const int64_t until_next_month = next_month_begin(now) - now;
  if (const auto most = limit(LimitName::kTokensPerMonth); most && month_tokens + tokens > *most) {
    return refuse(LimitName::kTokensPerMonth, name,
                  fmt::format("You exceeded your quota of tokens for this month: Limit {}, Used {}",
                              *most, month_tokens),
                  until_next_month,
                  Reason{"limit_month_tokens",
                         {{"who", kind}, {"limit", *most}, {"again", now + until_next_month}}});
  }
  // A request that costs nothing is refused too once the money is gone.
  if (const auto most = limit(LimitName::kMoneyPerMonth);
      most && (month_cost + cost > *most || month_cost >= *most)) {
    return refuse(LimitName::kMoneyPerMonth, name,
                  "You exceeded your quota of money for this month", until_next_month,
                  Reason{"limit_month_money", {{"who", kind}, {"again", now + until_next_month}}});
  }
  return std::nullopt;
}

const char* limit_name(LimitName name) { return kLimitNames[static_cast<size_t>(name)]; }

std::optional<LimitName> find_limit_name(std::string_view name) {
  for (size_t i = 0; i < std::size(kLimitNames); ++i) {
    if (name == kLimitNames[i]) return static_cast<LimitName>(i);
  }
  return std::nullopt;
}

const char* subject_kind_name(SubjectKind kind) { return kKindNames[static_cast<size_t>(kind)]; }

std::optional<SubjectKind> find_subject_kind(std::string_view name) {
  for (size_t i = 0; i < std::size(kKindNames); ++i) {
    if (name == kKindNames[i]) return static_cast<SubjectKind>(i);
  }
  return std::nullopt;
}

Spender spender_of(const Identity& identity) {
  return {identity.user_id.empty() ? "local" : identity.user_id, identity.key_id,
          identity.project_id, identity.group_ids};
}

int64_t month_begin(int64_t now) { return begin_of(month_of(now)); }

int64_t next_month_begin(int64_t now) { return begin_of(month_of(now) + std::chrono::months(1)); }

Limits::Limits() = default;
Limits::~Limits() = default;

Limits::Rules Limits::rules_of(const Subject& subject) const {
  Rules rules;
  for (const Subject& source : {subject, Subject{subject.first, kEach}}) {
    const auto found = rules_.find(source);
    if (found == rules_.end()) continue;
    for (size_t i = 0; i < rules.size(); ++i) {
      const auto& value = found->second[i];
      if (value) rules[i] = rules[i] ? std::min(*rules[i], *value) : *value;
    }
  }
  return rules;
}

void Limits::set_rules(const std::vector<store::LimitRow>& rows) {
  const std::lock_guard lock(mutex_);
  rules_.clear();
  for (const store::LimitRow& row : rows) {
    const auto kind = find_subject_kind(row.subject_kind);
    const auto name = find_limit_name(row.name);
    if (kind && name) rules_[{*kind, row.subject_id}][static_cast<size_t>(*name)] = row.value;
  }
  for (auto& [subject, account] : accounts_) account->rules = rules_of(subject);
}

std::shared_ptr<Limits::Account> Limits::account(const Subject& subject) {
  auto& account = accounts_[subject];
  if (!account) {
    account = std::make_shared<Account>(subject, rules_of(subject));
  }
  return account;
}

Limits::Pass Limits::pass_of(const Spender& spender) {
  const std::lock_guard lock(mutex_);
  Pass pass{account({SubjectKind::kUser, spender.user_id})};
  for (const std::string& id : spender.group_ids) {
    pass.push_back(account({SubjectKind::kGroup, id}));
  }
  if (!spender.project_id.empty()) {
    pass.push_back(account({SubjectKind::kProject, spender.project_id}));
  }
  if (!spender.key_id.empty()) pass.push_back(account({SubjectKind::kKey, spender.key_id}));
  return pass;
}

std::optional<Refusal> Limits::admit(const Pass& pass, int64_t tokens_in, int64_t cost_in,
                                     int64_t now) {
  const std::lock_guard lock(mutex_);
  for (const auto& account : pass) {
    account->roll(now);
    if (auto refusal = account->check_request(now)) return refusal;
    if (auto refusal = account->check_use(tokens_in, cost_in, now)) return refusal;
  }
  for (const auto& account : pass) {
    account->minute_requests.add(now, 1);
    account->charge(tokens_in, cost_in, now);
    ++account->n_streams;
  }
  return std::nullopt;
}

std::optional<Refusal> Limits::spend(const Pass& pass, int64_t tokens, int64_t cost, int64_t now) {
  const std::lock_guard lock(mutex_);
  std::optional<Refusal> refusal;
  for (const auto& account : pass) {
    account->roll(now);
    if (!refusal) refusal = account->check_use(tokens, cost, now);
    account->charge(tokens, cost, now);
  }
  return refusal;
}

void Limits::leave(const Pass& pass) {
  const std::lock_guard lock(mutex_);
  for (const auto& account : pass) --account->n_streams;
}

RateState Limits::state(const Pass& pass, int64_t now) {
  const std::lock_guard lock(mutex_);
  RateState state;
  const auto tighten = [now](std::optional<Quota>& quota, std::optional<int64_t> limit,
                             const Window& window) {
    if (!limit) return;
    const int64_t remaining = std::max<int64_t>(0, *limit - window.used(now));
    if (!quota || remaining < quota->remaining) quota = {*limit, remaining, window.wait_ms(now, 0)};
  };
  for (const auto& account : pass) {
    tighten(state.requests, account->limit(LimitName::kRequestsPerMinute),
            account->minute_requests);
    tighten(state.tokens, account->limit(LimitName::kTokensPerMinute), account->minute_tokens);
  }
  return state;
}

uint32_t Limits::context_of(const Pass& pass, uint32_t context) {
  const std::lock_guard lock(mutex_);
  for (const auto& account : pass) {
    const auto limit = account->limit(LimitName::kContext);
    if (limit && *limit < int64_t{context})
      context = static_cast<uint32_t>(std::max<int64_t>(0, *limit));
  }
  return context;
}

void Limits::restore_minute(const Pass& pass, int64_t at, int64_t n_requests, int64_t tokens) {
  const std::lock_guard lock(mutex_);
  for (const auto& account : pass) {
    account->minute_requests.add(at, n_requests);
    account->minute_tokens.add(at, tokens);
  }
}

void Limits::restore_month(SubjectKind kind, const std::string& id, int64_t at, int64_t tokens,
                           int64_t cost) {
  const std::lock_guard lock(mutex_);
  const auto subject = account({kind, id});
  subject->roll(at);
  subject->month_tokens += tokens;
  subject->month_cost += cost;
}

}  // namespace maru::service
