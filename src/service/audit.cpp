#include "service/audit.h"

#include <fmt/format.h>

#include <charconv>
#include <utility>

#include "base/files.h"
#include "base/json.h"
#include "base/log.h"
#include "service/clock.h"

namespace maru::service {
namespace {

constexpr size_t kMaxHeadBytes = 4096;
constexpr size_t kHashLetters = 64;

}  // namespace

AuditLog::AuditLog(std::shared_ptr<store::Database> database, std::string head_file)
    : database_(std::move(database)), head_file_(std::move(head_file)) {}

Status AuditLog::audit(const std::string& actor, const std::string& action,
                       const std::string& subject, const Json& detail) {
  store::AuditHead head;
  MARU_RETURN_IF_ERROR(database_->write([&](store::Transaction& transaction) -> Status {
    MARU_ASSIGN_OR_RETURN(
        head, store::append_audit(transaction, {actor, action, subject, dump_json(detail)},
                                  unix_milliseconds()));
    return {};
  }));
  keep_head(head);
  return {};
}

void AuditLog::keep_head(const store::AuditHead& head) {
  if (head_file_.empty()) return;
  const std::lock_guard lock(file_mutex_);
  if (head.seq <= last_kept_) return;
  if (const auto status = write_file_atomically(head_file_, print_audit_head(head)); !status) {
    log_warning("the head of the audit record was not kept: {}", status.error().to_string());
    return;
  }
  last_kept_ = head.seq;
}

Result<store::AuditReport> AuditLog::verify(std::vector<store::AuditHead> known) const {
  if (!head_file_.empty()) {
    const auto text = read_file(head_file_, kMaxHeadBytes);
    if (text) {
      MARU_ASSIGN_OR_RETURN(store::AuditHead head, parse_audit_head(*text));
      known.push_back(std::move(head));
    } else if (text.error().code != ErrorCode::kNotFound) {
      return text.error();
    }
  }
  store::AuditReport report;
  MARU_RETURN_IF_ERROR(database_->read([&](store::Transaction& transaction) -> Status {
    MARU_ASSIGN_OR_RETURN(report, store::verify_audit(transaction, known));
    return {};
  }));
  return report;
}

std::string print_audit_head(const store::AuditHead& head) {
  return fmt::format("{} {}\n", head.seq, head.hash);
}

Result<store::AuditHead> parse_audit_head(const std::string& text) {
  store::AuditHead head;
  const char* const end = text.data() + text.size();
  const auto [stop, code] = std::from_chars(text.data(), end, head.seq);
  std::string_view rest(stop, static_cast<size_t>(end - stop));
  if (rest.ends_with('\n')) rest.remove_suffix(1);
  const bool is_whole =
      code == std::errc{} && head.seq > 0 && rest.size() == kHashLetters + 1 &&
      rest.front() == ' ' &&
      rest.substr(1).find_first_not_of("0123456789abcdef") == std::string_view::npos;
  if (!is_whole) {
    return Error{ErrorCode::kInvalidArgument, "this is no head of an audit record",
                 "it is a number and 64 hexadecimal digits, as maru audit export --head prints it",
                 "head"};
  }
  head.hash = std::string(rest.substr(1));
  return head;
}

}  // namespace maru::service
