#include <algorithm>
#include <map>
#include <memory>

#include "apps/books.h"
#include "apps/command.h"
#include "apps/options.h"
#include "apps/stored_settings.h"
#include "apps/table.h"
#include "apps/terminal.h"
#include "service/clock.h"
#include "service/prices.h"
#include "service/usage_report.h"
#include "store/users.h"

namespace maru::apps {
namespace {

constexpr int64_t kDay = 86'400'000;
constexpr size_t kBarWidth = 24;

struct Wish {
  std::string by = "day";
  uint32_t days = 30;
  bool csv = false;
};

struct View {
  store::UsageGrouping grouping;
  int64_t width_ms;
  Message head;
};

Result<View> view_by(const std::string& by) {
  if (by == "day") return View{{}, kDay, Message::kUsageDay};
  if (by == "model") return View{{.by_model = true}, 0, Message::kUsageModel};
  if (by == "user") return View{{.by_user = true}, 0, Message::kUsageUser};
  return Error{ErrorCode::kInvalidArgument, "there is no table by '" + by + "'",
               "choose day, model or user", "by"};
}

// Names of users by id; "local" and those who are gone have none.
Result<std::map<std::string, std::string>> user_names(const store::Database& database) {
  std::map<std::string, std::string> names;
  MARU_RETURN_IF_ERROR(database.read([&](store::Transaction& transaction) -> Status {
    MARU_ASSIGN_OR_RETURN(const auto users, store::list_users(transaction));
    for (const store::User& user : users) names[user.id] = user.name;
    return {};
  }));
  return names;
}

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find('|', begin), text.size());
    parts.emplace_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

std::vector<std::string> row_of(const std::string& name, const store::UsageSum& sum) {
  return {printable(name),
          print_count(sum.n_requests),
          print_count(sum.tokens_in),
          print_count(sum.tokens_cached),
          print_count(sum.tokens_out),
          service::print_money(sum.cost_micros)};
}

// The bars stand behind the table: of all tokens, the longest is the most.
std::string draw(const Context& context, const View& view, const std::vector<store::UsageSum>& sums,
                 const std::map<std::string, std::string>& names) {
  std::vector<std::vector<std::string>> rows{{context.say(view.head)}};
  for (std::string& column : split(context.say(Message::kUsageColumns))) {
    rows[0].push_back(std::move(column));
  }
  store::UsageSum total;
  int64_t most = 0;
  for (const store::UsageSum& sum : sums) {
    const auto known = names.find(sum.user_id);
    const std::string name = view.width_ms > 0        ? service::print_day(sum.bucket)
                             : view.grouping.by_model ? sum.model
                             : known == names.end()   ? sum.user_id
                                                      : known->second;
    rows.push_back(row_of(name, sum));
    total.n_requests += sum.n_requests;
    total.tokens_in += sum.tokens_in;
    total.tokens_cached += sum.tokens_cached;
    total.tokens_out += sum.tokens_out;
    total.cost_micros += sum.cost_micros;
    most = std::max(most, sum.tokens_in + sum.tokens_out);
  }
  rows.push_back(row_of(context.say(Message::kUsageTotal), total));
  std::string table = print_table(rows), out;
  size_t index = 0;
  for (size_t begin = 0; begin < table.size(); ++index) {
    const size_t end = table.find('\n', begin);
    out += table.substr(begin, end - begin);
    if (index >= 1 && index <= sums.size()) {
      const store::UsageSum& sum = sums[index - 1];
      out += "  " + print_bar(sum.tokens_in + sum.tokens_out, most, kBarWidth);
    }
    out += "\n";
    begin = end + 1;
  }
  return out;
}

Result<int> show(const Context& context, const Wish& wish) {
  MARU_ASSIGN_OR_RETURN(const View view, view_by(wish.by));
  MARU_ASSIGN_OR_RETURN(const auto database, open_books(context));
  MARU_ASSIGN_OR_RETURN(const service::Config config, with_stored_settings(context, *database));
  const service::UsageReport report(database, config.settings().currency);
  store::UsageFilter filter;
  const int64_t now = service::unix_milliseconds();
  filter.begin = (now / kDay - int64_t{wish.days} + 1) * kDay;
  filter.end = now + 1;
  if (wish.csv) {
    MARU_ASSIGN_OR_RETURN(
        const auto sums,
        report.sum(filter, kDay,
                   {.by_user = true, .by_key = true, .by_project = true, .by_model = true}));
    write_stdout(service::usage_csv(sums, report.currency()));
    return 0;
  }
  MARU_ASSIGN_OR_RETURN(auto sums, report.sum(filter, view.width_ms, view.grouping));
  if (sums.empty()) {
    write_stderr(context.say(Message::kUsageNone, wish.days) + "\n");
    return 0;
  }
  if (view.width_ms == 0) {
    std::stable_sort(sums.begin(), sums.end(),
                     [](const store::UsageSum& a, const store::UsageSum& b) {
                       return a.tokens_in + a.tokens_out > b.tokens_in + b.tokens_out;
                     });
  }
  MARU_ASSIGN_OR_RETURN(const auto names, user_names(*database));
  write_stdout(draw(context, view, sums, names));
  return 0;
}

CommandBody declare(Options& options) {
  auto wish = std::make_shared<Wish>();
  options.text("--by", wish->by, "rows by day, model or user");
  options.number("--days", wish->days, 1, 3660, "how many days back, today included (UTC)");
  options.toggle("--csv", wish->csv, "print CSV by day, user, key, project and model");
  options.examples(
      "  maru usage\n"
      "  maru usage --by user --days 7\n"
      "  maru usage --csv > usage.csv");
  return [wish](const Context& context) { return show(context, *wish); };
}

}  // namespace

extern const Command command_usage;
const Command command_usage{"usage", "show tokens and costs by day, model or user", 70, declare};

}  // namespace maru::apps
