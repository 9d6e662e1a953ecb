#include "service/audit.h"

#include <memory>

#include "apps/books.h"
#include "apps/command.h"
#include "apps/options.h"
#include "apps/terminal.h"
#include "base/files.h"
#include "base/json.h"
#include "service/usage_report.h"

namespace maru::apps {
namespace {

constexpr size_t kRowsAtOnce = 1000;
constexpr size_t kMaxHeadBytes = 4096;

struct Wish {
  std::string act, head_file;
  bool only_head = false;
};

std::string print_row(const store::AuditRow& row) {
  return printable(service::print_time(row.at) + " " + row.entry.actor + " " + row.entry.action +
                   " " + row.entry.subject + " " + row.entry.detail) +
         "\n";
}

std::string export_row(const store::AuditRow& row) {
  return dump_json(Json{{"seq", row.seq},
                        {"at", row.at},
                        {"actor", row.entry.actor},
                        {"action", row.entry.action},
                        {"subject", row.entry.subject},
                        {"detail", row.entry.detail},
                        {"previous_hash", row.previous_hash},
                        {"hash", row.hash}}) +
         "\n";
}

Status print_rows(const store::Database& database, std::string (*print)(const store::AuditRow&)) {
  return database.read([&](store::Transaction& transaction) -> Status {
    int64_t after = 0;
    while (true) {
      MARU_ASSIGN_OR_RETURN(const auto rows, store::list_audit(transaction, after, kRowsAtOnce));
      for (const store::AuditRow& row : rows) write_stdout(print(row));
      if (rows.size() < kRowsAtOnce) return {};
      after = rows.back().seq;
    }
  });
}

Status print_head(const store::Database& database) {
  return database.read([](store::Transaction& transaction) -> Status {
    MARU_ASSIGN_OR_RETURN(const store::AuditHead head, store::audit_head(transaction));
    if (head.seq > 0) write_stdout(service::print_audit_head(head));
    return {};
  });
}

Result<int> verify(const Context& context, std::shared_ptr<store::Database> database,
                   const std::string& head_file) {
  std::vector<store::AuditHead> known;
  if (!head_file.empty()) {
    MARU_ASSIGN_OR_RETURN(const std::string text, read_file(head_file, kMaxHeadBytes));
    MARU_ASSIGN_OR_RETURN(store::AuditHead head, service::parse_audit_head(text));
    known.push_back(std::move(head));
  }
  service::AuditLog log(std::move(database), audit_head_file());
  MARU_ASSIGN_OR_RETURN(const store::AuditReport report, log.verify(std::move(known)));
  if (report.fault) {
    write_stdout(context.say(Message::kAuditFault, report.fault->seq, report.fault->what) + "\n");
    return kExitFailure;
  }
  write_stdout(context.say(Message::kAuditSound, report.head.seq) + "\n");
  return 0;
}

Result<int> run(const Context& context, const Wish& wish) {
  if (wish.act != "list" && wish.act != "verify" && wish.act != "export") {
    return Error{ErrorCode::kInvalidArgument, "there is no 'maru audit " + wish.act + "'",
                 "there are list, verify and export", "act"};
  }
  MARU_ASSIGN_OR_RETURN(auto database, open_books(context));
  if (wish.act == "verify") return verify(context, std::move(database), wish.head_file);
  if (wish.act == "export" && wish.only_head) {
    MARU_RETURN_IF_ERROR(print_head(*database));
  } else {
    MARU_RETURN_IF_ERROR(print_rows(*database, wish.act == "list" ? print_row : export_row));
  }
  return 0;
}

CommandBody declare(Options& options) {
  auto wish = std::make_shared<Wish>();
  options.argument("ACT", wish->act, "list, verify or export");
  options.toggle("--only-head", wish->only_head, "export: the record's head, to be kept elsewhere");
  options.text("--head", wish->head_file, "verify: a file with a head that was exported before");
  options.examples(
      "  maru audit list\n"
      "  maru audit export > acts.jsonl\n"
      "  maru audit export --only-head > /elsewhere/head\n"
      "  maru audit verify --head /elsewhere/head");
  return [wish](const Context& context) { return run(context, *wish); };
}

}  // namespace

extern const Command command_audit;
const Command command_audit{"audit", "list, export and verify the record of acts of power", 76,
                            declare};

}  // namespace maru::apps
