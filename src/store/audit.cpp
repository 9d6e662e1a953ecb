#include "store/audit.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/sha256.h"

namespace maru::store {
namespace {

constexpr size_t kVerifyRows = 1000;

void add_text(Sha256& sha, const std::string& text) {
  sha.add(static_cast<uint64_t>(text.size()));
  sha.add(std::string_view(text));
}

AuditRow read_row(const Row& row) {
  return {row.integer(0),
          row.integer(1),
          {row.text(2), row.text(3), row.text(4), row.text(5)},
          row.text(6),
          row.text(7)};
}

std::vector<AuditRow> read_rows(const std::vector<Row>& rows) {
  std::vector<AuditRow> out;
  out.reserve(rows.size());
  for (const Row& row : rows) out.push_back(read_row(row));
  return out;
}

// What is wrong with `row` as the one after `before`; empty if nothing.
std::string find_fault(const AuditRow& row, const AuditHead& before,
                       const std::vector<AuditHead>& known) {
  if (row.seq != before.seq + 1) return fmt::format("row {} is missing", before.seq + 1);
  if (row.previous_hash != before.hash) return "it does not follow from the row before it";
  if (row.hash != audit_hash(row)) return "it was changed";
  for (const AuditHead& head : known) {
    if (head.seq == row.seq && head.hash != row.hash) {
      return "it is not the row that the kept head names";
    }
  }
  return {};
}

}  // namespace

std::string audit_hash(const AuditRow& row) {
  Sha256 sha;
  sha.add(std::string_view("maru audit 1"));
  sha.add(static_cast<uint64_t>(row.seq));
  sha.add(static_cast<uint64_t>(row.at));
  for (const std::string* text : {&row.entry.actor, &row.entry.action, &row.entry.subject,
                                  &row.entry.detail, &row.previous_hash}) {
    add_text(sha, *text);
  }
  std::string hex;
  for (const uint8_t byte : sha.finish()) hex += fmt::format("{:02x}", byte);
  return hex;
}

Result<AuditHead> append_audit(Transaction& transaction, const AuditEntry& entry, int64_t at) {
  // Writing first takes the row's lock: two who append at once come one after the other.
  MARU_RETURN_IF_ERROR(
      transaction.execute("INSERT INTO audit_head (id, seq, hash) VALUES (1, 1, '') "
                          "ON CONFLICT (id) DO UPDATE SET seq = audit_head.seq + 1"));
  MARU_ASSIGN_OR_RETURN(const AuditHead head, audit_head(transaction));
  AuditRow row{head.seq, at, entry, head.hash, {}};
  row.hash = audit_hash(row);
  MARU_RETURN_IF_ERROR(transaction.execute(
      "INSERT INTO audit (seq, at, actor, action, subject, detail, previous_hash, hash) "
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
      {row.seq, row.at, entry.actor, entry.action, entry.subject, entry.detail, row.previous_hash,
       row.hash}));
  MARU_RETURN_IF_ERROR(
      transaction.execute("UPDATE audit_head SET hash = ? WHERE id = 1", {row.hash}));
  return AuditHead{row.seq, row.hash};
}

Result<AuditHead> audit_head(Transaction& transaction) {
  MARU_ASSIGN_OR_RETURN(const std::vector<Row> rows,
                        transaction.query("SELECT seq, hash FROM audit_head WHERE id = 1"));
  if (rows.empty()) return AuditHead{};
  return AuditHead{rows.front().integer(0), rows.front().text(1)};
}

Result<std::vector<AuditRow>> list_audit(Transaction& transaction, int64_t after_seq,
                                         size_t limit) {
  MARU_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      transaction.query("SELECT seq, at, actor, action, subject, detail, previous_hash, hash FROM "
                        "audit WHERE seq > ? ORDER BY seq LIMIT ?",
                        {after_seq, static_cast<int64_t>(limit)}));
  return read_rows(rows);
}

Result<std::vector<AuditRow>> list_audit_before(Transaction& transaction, int64_t before_seq,
                                                size_t limit) {
  const int64_t end = before_seq > 0 ? before_seq : INT64_MAX;
  MARU_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      transaction.query("SELECT seq, at, actor, action, subject, detail, previous_hash, hash FROM "
                        "audit WHERE seq < ? ORDER BY seq DESC LIMIT ?",
                        {end, static_cast<int64_t>(limit)}));
  return read_rows(rows);
}

Result<AuditReport> verify_audit(Transaction& transaction, const std::vector<AuditHead>& known) {
  AuditReport report;
  int64_t after = INT64_MIN;  // a forged row may have any number
  while (true) {
    MARU_ASSIGN_OR_RETURN(const std::vector<AuditRow> rows,
                          list_audit(transaction, after, kVerifyRows));
    for (const AuditRow& row : rows) {
      if (std::string what = find_fault(row, report.head, known); !what.empty()) {
        report.fault = {row.seq, std::move(what)};
        return report;
      }
      report.head = {row.seq, row.hash};
    }
    if (rows.size() < kVerifyRows) break;
    after = rows.back().seq;
  }
  MARU_ASSIGN_OR_RETURN(const AuditHead head, audit_head(transaction));
  if (head != report.head) {
    report.fault = {
        report.head.seq + 1,
        fmt::format("the record ends at row {}, its head names row {}", report.head.seq, head.seq)};
    return report;
  }
  const auto last = std::ranges::max_element(known, {}, &AuditHead::seq);
  if (last != known.end() && last->seq > report.head.seq) {
    report.fault = {report.head.seq + 1,
                    fmt::format("the record ends at row {}, a kept head names row {}",
                                report.head.seq, last->seq)};
  }
  return report;
}

}  // namespace maru::store
