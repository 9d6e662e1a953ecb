#include "service/audit.h"

#include <fmt/format.h>

#include <charconv>
#include <utility>

#include "base/files.h"
#include "base/log.h"
#include "service/in_database.h"

namespace maru::service {
namespace {

constexpr size_t kMaxHeadBytes = 4096;
constexpr size_t kHashLetters = 64;

}  // namespace

AuditLog::AuditLog(std::shared_ptr<store::Database> database, std::string head_file, Clock clock)
    : database_(std::move(database)), head_file_(std::move(head_file)), clock_(std::move(clock)) {}

Status AuditLog::change(const Act& act, const std::function<Status(store::Transaction&)>& work) {
  return change([&](store::Transaction& transaction) -> Result<std::optional<Act>> {
    MARU_RETURN_IF_ERROR(work(transaction));
    return std::optional<Act>(act);
  });
}

Status AuditLog::change(const Changing& work) {
  std::optional<store::AuditHead> head;
  const Status written = database_->write([&](store::Transaction& transaction) -> Status {
    head.reset();
    MARU_ASSIGN_OR_RETURN(const std::optional<Act> act, work(transaction));
    if (!act) return {};
    MARU_ASSIGN_OR_RETURN(head, store::append_audit(transaction, *act, clock_()));
    return {};
  });
  MARU_RETURN_IF_ERROR(written);
  if (head) keep_head(*head);
  return {};
}

Status AuditLog::record(const Act& act) {
  return change(act, [](store::Transaction&) -> Status { return {}; });
}

Result<store::AuditHead> AuditLog::kept_head() const {
  MARU_ASSIGN_OR_RETURN(const std::string text, read_file(head_file_, kMaxHeadBytes));
  return parse_audit_head(text);
}

// Other programs keep theirs in the same file: a newer one stays. A kept head that the record does
// not hold any more stays too: it is what shows that rows were cut.
void AuditLog::keep_head(const store::AuditHead& head) {
  if (head_file_.empty()) return;
  const std::lock_guard lock(file_mutex_);
  if (const auto kept = kept_head()) {
    if (kept->seq >= head.seq) return;
    bool is_held = false;
    const Status asked = database_->read([&](store::Transaction& transaction) -> Status {
      MARU_ASSIGN_OR_RETURN(const auto rows, store::list_audit(transaction, kept->seq - 1, 1));
      is_held = !rows.empty() && rows.front().seq == kept->seq && rows.front().hash == kept->hash;
      return {};
    });
    if (!asked || !is_held) {
      log_warning("the record of acts does not hold the head kept in {}: see maru audit verify",
                  head_file_);
      return;
    }
  } else if (kept.error().code != ErrorCode::kNotFound) {
    log_warning("the kept head of the audit record: {}", kept.error().to_string());
    return;
  }
  if (const auto status = write_file_atomically(head_file_, print_audit_head(head)); !status) {
    log_warning("the head of the audit record was not kept: {}", status.error().to_string());
  }
}

Result<std::vector<store::AuditRow>> AuditLog::list_before(int64_t before_seq, size_t limit) const {
  return reading<std::vector<store::AuditRow>>(*database_, [&](store::Transaction& transaction) {
    return store::list_audit_before(transaction, before_seq, limit);
  });
}

Result<store::AuditReport> AuditLog::verify(std::vector<store::AuditHead> known) {
  if (!head_file_.empty()) {
    auto kept = kept_head();
    if (!kept && kept.error().code != ErrorCode::kNotFound) return kept.error();
    if (kept) known.push_back(*std::move(kept));
  }
  MARU_ASSIGN_OR_RETURN(const store::AuditReport report,
                        reading<store::AuditReport>(*database_, [&](store::Transaction& t) {
                          return store::verify_audit(t, known);
                        }));
  if (!report.fault && report.head.seq > 0) keep_head(report.head);
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
