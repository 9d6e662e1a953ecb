#include <memory>

#include "apps/books.h"
#include "apps/command.h"
#include "apps/options.h"
#include "apps/terminal.h"
#include "service/spending_rules.h"

namespace maru::apps {
namespace {

struct Wish {
  std::string act, kind, subject, name, value;
};

std::string print_limit(const store::LimitRow& row) {
  return printable(row.subject_kind + " " + row.subject_id + " " + row.name) + " " +
         service::print_limit_value(row);
}

Result<int> list(const Context& context, const service::SpendingRules& rules) {
  MARU_ASSIGN_OR_RETURN(const auto limits, rules.list_limits());
  if (limits.empty()) write_stderr(context.say(Message::kNoLimits) + "\n");
  for (const store::LimitRow& row : limits) write_stdout(print_limit(row) + "\n");
  return 0;
}

Result<int> run(const Context& context, const Wish& wish) {
  if (wish.act != "list" && wish.act != "set" && wish.act != "remove") {
    return Error{ErrorCode::kInvalidArgument, "there is no 'maru limits " + wish.act + "'",
                 "there are list, set and remove", "act"};
  }
  MARU_ASSIGN_OR_RETURN(auto log, open_audit_log(context));
  service::SpendingRules rules(std::move(log));
  if (wish.act == "list") return list(context, rules);
  if (wish.act == "remove") {
    MARU_RETURN_IF_ERROR(
        rules.remove_limit(service::kLocalActor, {wish.kind, wish.subject, wish.name, 0}));
    return 0;
  }
  MARU_ASSIGN_OR_RETURN(const store::LimitRow limit,
                        service::read_limit(wish.kind, wish.subject, wish.name, wish.value));
  MARU_RETURN_IF_ERROR(rules.set_limit(service::kLocalActor, limit));
  write_stdout(print_limit(limit) + "\n");
  return 0;
}

CommandBody declare(Options& options) {
  auto wish = std::make_shared<Wish>();
  options.argument("ACT", wish->act, "list, set or remove");
  options.argument("KIND", wish->kind, "user, group, project or key", false);
  options.argument("ID", wish->subject, "its id; '*': each one of that kind", false);
  options.argument("NAME", wish->name,
                   "requests_per_minute, tokens_per_minute, tokens_per_month, money_per_month, "
                   "streams or context",
                   false);
  options.argument("VALUE", wish->value, "a number; money as 12.50", false);
  options.examples(
      "  maru limits set user '*' requests_per_minute 60\n"
      "  maru limits set key key_abc money_per_month 25\n"
      "  maru limits remove user '*' requests_per_minute\n"
      "A running server knows of a change within two seconds.");
  return [wish](const Context& context) { return run(context, *wish); };
}

}  // namespace

extern const Command command_limits;
const Command command_limits{"limits", "list and set what people, groups and keys may use", 74,
                             declare};

}  // namespace maru::apps
