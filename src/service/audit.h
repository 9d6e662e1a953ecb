// Records acts of power: who did what to whom. Every change by an admin, every login, every refused
// scope, everything that leaves the house. The only way into the record.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "service/clock.h"
#include "store/audit.h"

namespace maru::service {

// The actor of what is done at the terminal of the machine itself.
inline constexpr const char* kLocalActor = "local";

// Something done by the power of a role. `detail` is JSON, free of secrets and of people's texts.
using Act = store::AuditEntry;

// Thread-safe. Waits for the disk: not for threads of the engine or of connections.
class AuditLog {
 public:
  // `head_file`: a copy of the record's head is kept there after every act, so that a cut of the
  // table shows; empty: nowhere.
  explicit AuditLog(std::shared_ptr<store::Database> database, std::string head_file = {},
                    Clock clock = unix_milliseconds);

  // Runs `work` and records the act, in one transaction: both or neither.
  Status change(const Act& act, const std::function<Status(store::Transaction&)>& work);
  // The same where `work` finds out what the act is; none: it changed nothing, and nothing is
  // recorded.
  using Changing = std::function<Result<std::optional<Act>>(store::Transaction&)>;
  Status change(const Changing& work);
  // Records what changes nothing: a login, a refused scope.
  Status record(const Act& act);

  // Rows before `before_seq` (0: from the newest on), the newest first, at most `limit`.
  Result<std::vector<store::AuditRow>> list_before(int64_t before_seq, size_t limit) const;
  // Holds the rows against each other, the table's head, the head file and `known`. A sound
  // record's head is kept.
  Result<store::AuditReport> verify(std::vector<store::AuditHead> known);

  const std::shared_ptr<store::Database>& database() const { return database_; }

 private:
  void keep_head(const store::AuditHead& head);
  Result<store::AuditHead> kept_head() const;  // kNotFound if there is none

  std::shared_ptr<store::Database> database_;
  const std::string head_file_;
  Clock clock_;
  std::mutex file_mutex_;
};

// "SEQ HASH" on one line. Errors: kInvalidArgument.
std::string print_audit_head(const store::AuditHead& head);
Result<store::AuditHead> parse_audit_head(const std::string& text);

}  // namespace maru::service
