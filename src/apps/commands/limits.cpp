#include "service/limits.h"

#include <charconv>
#include <memory>

#include "apps/books.h"
#include "apps/command.h"
#include "apps/options.h"
#include "apps/terminal.h"
#include "base/json.h"
#include "service/prices.h"

namespace maru::apps {
namespace {

struct Wish {
  std::string act, kind, subject, name, value;
};

bool is_money(const std::string& name) {
  return service::find_limit_name(name) == service::LimitName::kMoneyPerMonth;
}

Result<int64_t> read_value(const Wish& wish) {
  if (is_money(wish.name)) return service::parse_money(wish.value, "value");
  constexpr int64_t kMost = 1'000'000'000'000;
  int64_t value = -1;
  const char* const end = wish.value.data() + wish.value.size();
  const auto [stop, code] = std::from_chars(wish.value.data(), end, value);
  if (code != std::errc{} || stop != end || value < 0 || value > kMost) {
    return Error{ErrorCode::kInvalidArgument, "'" + wish.value + "' is no limit",
                 "a whole number from 0 on", "value"};
  }
  return value;
}

Result<store::LimitRow> read_limit(const Wish& wish) {
  if (!service::find_subject_kind(wish.kind)) {
    return Error{ErrorCode::kInvalidArgument, "there are no limits of '" + wish.kind + "'",
                 "there are limits of a user, group, project or key", "kind"};
  }
  if (!service::find_limit_name(wish.name)) {
    return Error{ErrorCode::kInvalidArgument, "there is no limit '" + wish.name + "'",
                 "there are requests_per_minute, tokens_per_minute, tokens_per_month, "
                 "money_per_month, streams and context",
                 "name"};
  }
  return store::LimitRow{wish.kind, wish.subject, wish.name, 0};
}

std::string print_limit(const store::LimitRow& row) {
  return printable(row.subject_kind + " " + row.subject_id + " " + row.name) + " " +
         (is_money(row.name) ? service::print_money(row.value) : std::to_string(row.value));
}

Result<int> list(const Context& context, const store::Database& database) {
  std::vector<store::LimitRow> limits;
  MARU_RETURN_IF_ERROR(database.read([&](store::Transaction& transaction) -> Status {
    MARU_ASSIGN_OR_RETURN(limits, store::list_limits(transaction));
    return {};
  }));
  if (limits.empty()) write_stderr(context.say(Message::kNoLimits) + "\n");
  for (const store::LimitRow& row : limits) write_stdout(print_limit(row) + "\n");
  return 0;
}

Result<int> run(const Context& context, const Wish& wish) {
  if (wish.act != "list" && wish.act != "set" && wish.act != "remove") {
    return Error{ErrorCode::kInvalidArgument, "there is no 'maru limits " + wish.act + "'",
                 "there are list, set and remove", "act"};
  }
  MARU_ASSIGN_OR_RETURN(const auto database, open_books(context));
  if (wish.act == "list") return list(context, *database);
  MARU_ASSIGN_OR_RETURN(store::LimitRow row, read_limit(wish));
  const std::string subject = row.subject_kind + " " + row.subject_id;
  if (wish.act == "set") {
    MARU_ASSIGN_OR_RETURN(row.value, read_value(wish));
    MARU_RETURN_IF_ERROR(change_books(
        *database, "limit.set", subject, {{"name", row.name}, {"value", row.value}},
        [&](store::Transaction& transaction) { return store::set_limit(transaction, row); }));
    write_stdout(print_limit(row) + "\n");
    return 0;
  }
  MARU_RETURN_IF_ERROR(change_books(
      *database, "limit.remove", subject, {{"name", row.name}},
      [&](store::Transaction& transaction) -> Status {
        MARU_ASSIGN_OR_RETURN(const bool was_there, store::remove_limit(transaction, row));
        if (was_there) return {};
        return Error{ErrorCode::kNotFound, "there is no such limit", "see maru limits list"};
      }));
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
