// Records acts of power: who did what to whom. Every change by an admin, every login, every refused
// scope, everything that leaves the house.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/json_fwd.h"
#include "base/result.h"
#include "store/audit.h"

namespace maru::service {

// Thread-safe. Waits for the disk: not for threads of the engine or of connections.
class AuditLog {
 public:
  // `head_file`: a copy of the record's head is kept there, so that a cut of the table shows;
  // empty: nowhere.
  AuditLog(std::shared_ptr<store::Database> database, std::string head_file);

  // `detail` must be free of secrets and of people's texts.
  Status audit(const std::string& actor, const std::string& action, const std::string& subject,
               const Json& detail);
  // After a transaction that called store::append_audit() itself.
  void keep_head(const store::AuditHead& head);

  // Holds the rows against each other, the table's head, the head file and `known`.
  Result<store::AuditReport> verify(std::vector<store::AuditHead> known) const;

 private:
  std::shared_ptr<store::Database> database_;
  std::string head_file_;
  std::mutex file_mutex_;
  int64_t last_kept_ = 0;
};

// "SEQ HASH" on one line. Errors: kInvalidArgument.
std::string print_audit_head(const store::AuditHead& head);
Result<store::AuditHead> parse_audit_head(const std::string& text);

}  // namespace maru::service
