// The record of acts of power: rows that are added and never changed, each bound to the one before
// by a hash. docs/metering.md says what a verification finds.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "store/database.h"

namespace maru::store {

struct AuditEntry {
  std::string actor;   // id of a user or key; "local" at the terminal, "system"
  std::string action;  // "key.create", "login", "scope.refuse"...
  std::string subject;
  std::string detail;  // JSON; never a secret, never a text of a chat
};

struct AuditRow {
  int64_t seq = 0;  // 1, 2, 3...
  int64_t at = 0;   // unix milliseconds
  AuditEntry entry;
  std::string previous_hash;  // "" for the first row
  std::string hash;           // audit_hash()
};

// Where the record ends.
struct AuditHead {
  int64_t seq = 0;  // 0: there is no row yet
  std::string hash;
  bool operator==(const AuditHead&) const = default;
};

// SHA-256 in hexadecimal over every other field, each text with its length in front.
std::string audit_hash(const AuditRow& row);

// To be called in the transaction of the act itself: neither is kept without the other.
Result<AuditHead> append_audit(Transaction& transaction, const AuditEntry& entry, int64_t at);
Result<AuditHead> audit_head(Transaction& transaction);
// The rows after `after_seq` in order, at most `limit`.
Result<std::vector<AuditRow>> list_audit(Transaction& transaction, int64_t after_seq, size_t limit);
// The rows before `before_seq` (0: before the end), the newest first, at most `limit`.
Result<std::vector<AuditRow>> list_audit_before(Transaction& transaction, int64_t before_seq,
                                                size_t limit);

struct AuditFault {
  int64_t seq = 0;  // the first row that is wrong or missing
  std::string what;
};

struct AuditReport {
  AuditHead head;  // of the rows themselves
  std::optional<AuditFault> fault;
};

// Goes through all rows. `known`: heads that were kept elsewhere; each must be a row of the record.
Result<AuditReport> verify_audit(Transaction& transaction, const std::vector<AuditHead>& known);

}  // namespace maru::store
