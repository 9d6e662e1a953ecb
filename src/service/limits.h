// Who may use how much: counters in memory for every user, group, project and key, and the limits
// that hold for them. Of all that apply to a request, the strictest wins. What one limit counts is
// the use of its subject as a whole: a group's limit is shared by its members.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "service/identity.h"
#include "store/limits.h"

namespace maru::service {

enum class LimitName : uint8_t {
  kRequestsPerMinute,
  kTokensPerMinute,
  kTokensPerMonth,
  kMoneyPerMonth,  // micros
  kStreams,        // answers that run at the same time
  kContext,        // tokens of one request, prompt and answer together
  kCount,
};
const char* limit_name(LimitName name);  // "requests_per_minute"...
std::optional<LimitName> find_limit_name(std::string_view name);

enum class SubjectKind : uint8_t { kUser, kGroup, kProject, kKey, kCount };
const char* subject_kind_name(SubjectKind kind);
std::optional<SubjectKind> find_subject_kind(std::string_view name);

// Those that a request counts for.
struct Spender {
  std::string user_id;             // never empty: "local" where nobody has an account
  std::string key_id, project_id;  // "": none
  std::vector<std::string> group_ids;
};
Spender spender_of(const Identity& identity);

// Why a request is refused or an answer ends, in OpenAI's words.
struct Refusal {
  Error error;             // kRateLimited; kUnavailable where no row could be written
  std::string type, code;  // "tokens", "rate_limit_exceeded"; "" for those of the error's code
  int64_t retry_after_ms = 0;
};

// Of one limit a minute: the subject with the least left.
struct Quota {
  int64_t limit = 0, remaining = 0;
  int64_t reset_ms = 0;  // until all of it is there again
};
struct RateState {
  std::optional<Quota> requests, tokens;  // none: no limit
};

// Counts what is used in the last 60 seconds (to the second) and in this month (UTC). Times are
// unix milliseconds, given by the caller. Thread-safe.
class Limits {
 public:
  class Account;
  // The accounts of one admitted request.
  using Pass = std::vector<std::shared_ptr<Account>>;

  Limits();
  ~Limits();

  // Replaces all rules; "*" as an id holds for each subject of its kind. Rows with unknown names
  // are left out.
  void set_rules(const std::vector<store::LimitRow>& rows);

  Pass pass_of(const Spender& spender);
  // Counts a request with its prompt, if all limits allow it.
  std::optional<Refusal> admit(const Pass& pass, int64_t tokens_in, int64_t cost_in, int64_t now);
  // Counts further use (a correction may be negative). Gives the limit that is passed now, if any.
  std::optional<Refusal> spend(const Pass& pass, int64_t tokens, int64_t cost, int64_t now);
  // The answer has ended: it is no longer one of those that run.
  void leave(const Pass& pass);

  RateState state(const Pass& pass, int64_t now);
  // The tokens that one request may have, at most `context`.
  uint32_t context_of(const Pass& pass, uint32_t context);

  // What was used before this start: in the last minute (at second `at`), and in the month of `at`.
  void restore_minute(const Pass& pass, int64_t at, int64_t n_requests, int64_t tokens);
  void restore_month(SubjectKind kind, const std::string& id, int64_t at, int64_t tokens,
                     int64_t cost);

 private:
  using Rules = std::array<std::optional<int64_t>, static_cast<size_t>(LimitName::kCount)>;
  using Subject = std::pair<SubjectKind, std::string>;

  std::shared_ptr<Account> account(const Subject& subject);
  Rules rules_of(const Subject& subject) const;

  std::mutex mutex_;
  std::map<Subject, std::shared_ptr<Account>> accounts_;
  std::map<Subject, Rules> rules_;
};

// The first millisecond of the month (UTC) of `now`, and of the one after it.
int64_t month_begin(int64_t now);
int64_t next_month_begin(int64_t now);

}  // namespace maru::service
