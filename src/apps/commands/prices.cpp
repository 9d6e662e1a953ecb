#include "service/prices.h"

#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <memory>
#include <optional>

#include "apps/books.h"
#include "apps/command.h"
#include "apps/options.h"
#include "apps/table.h"
#include "apps/terminal.h"
#include "service/clock.h"
#include "service/spending_rules.h"
#include "service/usage_report.h"

namespace maru::apps {
namespace {

struct Wish {
  std::string act, model, in, cached, out, from;
  float electricity = 0, watts = 0, hardware = 0, years = 4, utilisation = 1;
  float speed_in = 0, speed_out = 0;
  uint32_t days = 30;
};

// "2026-12-01": midnight, UTC.
Result<int64_t> read_day(const std::string& text) {
  int year = 0;
  unsigned month = 0, day = 0;
  const char* const end = text.data() + text.size();
  auto [at, code] = std::from_chars(text.data(), end, year);
  const auto next = [&](unsigned& number) {
    if (code != std::errc{} || at == end || *at != '-') return false;
    const auto read = std::from_chars(at + 1, end, number);
    at = read.ptr;
    code = read.ec;
    return code == std::errc{};
  };
  const bool is_read = next(month) && next(day) && at == end;
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(month),
                                         std::chrono::day(day)};
  if (!is_read || !date.ok() || year < 1970 || year > 9999) {
    return Error{ErrorCode::kInvalidArgument, "'" + text + "' is no day", "write it as 2026-12-01",
                 "from"};
  }
  using std::chrono::milliseconds;
  return std::chrono::duration_cast<milliseconds>(std::chrono::sys_days(date).time_since_epoch())
      .count();
}

Result<store::Price> read_price(const Wish& wish) {
  store::Price price;
  if (wish.in.empty() || wish.out.empty()) {
    return Error{ErrorCode::kInvalidArgument, "a price needs --in and --out",
                 "money per million tokens, as 0.15; --cached is 0 if it is not given"};
  }
  MARU_ASSIGN_OR_RETURN(price.in_micros, service::parse_money(wish.in, "in"));
  MARU_ASSIGN_OR_RETURN(price.out_micros, service::parse_money(wish.out, "out"));
  if (!wish.cached.empty()) {
    MARU_ASSIGN_OR_RETURN(price.cached_micros, service::parse_money(wish.cached, "cached"));
  }
  return price;
}

service::PriceFormula read_formula(const Wish& wish) {
  service::PriceFormula formula;
  formula.electricity_per_kwh = wish.electricity;
  formula.watts = wish.watts;
  formula.hardware_price = wish.hardware;
  formula.hardware_years = wish.years;
  formula.utilisation = wish.utilisation;
  formula.tokens_in_per_second = wish.speed_in;
  formula.tokens_out_per_second = wish.speed_out;
  return formula;
}

std::string print_price(const Context& context, const store::PriceRow& row) {
  return context.say(
             Message::kPriceSet, printable(row.model), service::print_money(row.price.in_micros),
             service::print_money(row.price.cached_micros),
             service::print_money(row.price.out_micros), service::print_time(row.valid_from)) +
         (row.source == "formula" ? " *" : "") + "\n";
}

Result<int> add(const Context& context, service::SpendingRules& rules, const Wish& wish) {
  if (wish.model.empty()) {
    return Error{ErrorCode::kInvalidArgument, "which model's price?",
                 "maru prices " + wish.act + " MODEL", "model"};
  }
  service::PriceWish price;
  price.model = wish.model;
  if (!wish.from.empty()) {
    MARU_ASSIGN_OR_RETURN(price.valid_from, read_day(wish.from));
  }
  if (wish.act == "set") {
    MARU_ASSIGN_OR_RETURN(price.price, read_price(wish));
  }
  const auto added = wish.act == "set" ? rules.add_price(service::kLocalActor, price)
                                       : rules.add_price_by_formula(service::kLocalActor, price,
                                                                    read_formula(wish), wish.days);
  if (!added) return added.error();
  write_stdout(print_price(context, *added));
  return 0;
}

// Of the model's prices that have not begun, the one of `--from`, or the only one.
Result<int> remove(const Context& context, service::SpendingRules& rules, const Wish& wish) {
  std::optional<int64_t> from;
  if (!wish.from.empty()) {
    MARU_ASSIGN_OR_RETURN(from, read_day(wish.from));
  }
  MARU_ASSIGN_OR_RETURN(auto prices, rules.list_prices());
  const int64_t now = service::unix_milliseconds();
  std::erase_if(prices, [&](const store::PriceRow& row) {
    return row.model != wish.model || row.valid_from <= now || (from && row.valid_from != *from);
  });
  if (prices.size() != 1) {
    return Error{prices.empty() ? ErrorCode::kNotFound : ErrorCode::kInvalidArgument,
                 prices.empty()
                     ? fmt::format("no price of '{}' is still to begin", wish.model)
                     : fmt::format("{} prices of '{}' are to begin", prices.size(), wish.model),
                 prices.empty() ? "prices that have begun stay: answers were paid by them"
                                : "name one by its day: maru prices remove MODEL --from 2026-12-01",
                 "model"};
  }
  MARU_RETURN_IF_ERROR(rules.remove_price(service::kLocalActor, prices[0].id));
  write_stdout(context.say(Message::kPriceRemoved, print_price(context, prices[0])));
  return 0;
}

// "1234.5", "-" where nothing was measured.
std::string print_speed(double tokens_per_second) {
  return tokens_per_second > 0 ? fmt::format("{:.1f}", tokens_per_second) : "-";
}

Result<int> list_speeds(const Context& context, const service::SpendingRules& rules,
                        int64_t n_days) {
  MARU_ASSIGN_OR_RETURN(const auto speeds, rules.measure_speeds(n_days));
  std::vector<std::vector<std::string>> rows{
      {context.say(Message::kSpeedModel), context.say(Message::kSpeedRequests),
       context.say(Message::kSpeedIn), context.say(Message::kSpeedOut),
       context.say(Message::kSpeedBusy)}};
  for (const service::ModelSpeed& speed : speeds) {
    rows.push_back({printable(speed.model), print_count(speed.n_requests),
                    print_speed(speed.tokens_in_per_second),
                    print_speed(speed.tokens_out_per_second),
                    fmt::format("{:.1f}", speed.busy_seconds)});
  }
  write_stdout(print_table(rows));
  return 0;
}

Result<int> run(const Context& context, const Wish& wish) {
  MARU_ASSIGN_OR_RETURN(auto log, open_audit_log(context));
  service::SpendingRules rules(std::move(log));
  if (wish.act == "list") {
    MARU_ASSIGN_OR_RETURN(const auto prices, rules.list_prices());
    if (prices.empty()) write_stderr(context.say(Message::kNoPrices) + "\n");
    for (const store::PriceRow& row : prices) write_stdout(print_price(context, row));
    return 0;
  }
  if (wish.act == "speeds") return list_speeds(context, rules, wish.days);
  if (wish.act == "set" || wish.act == "formula") return add(context, rules, wish);
  if (wish.act == "remove") return remove(context, rules, wish);
  return Error{ErrorCode::kInvalidArgument, "there is no 'maru prices " + wish.act + "'",
               "there are list, set, remove, formula and speeds", "act"};
}

CommandBody declare(Options& options) {
  auto wish = std::make_shared<Wish>();
  constexpr float kMost = 1e9F;
  options.argument("ACT", wish->act, "list, set, remove, formula or speeds");
  options.argument("MODEL", wish->model, "a model, as clients name it", false);
  options.text("--in", wish->in, "set: money per million prompt tokens");
  options.text("--cached", wish->cached, "set: of those that are found in the cache (default 0)");
  options.text("--out", wish->out, "set: money per million generated tokens");
  options.text("--from", wish->from,
               "the day (UTC) from which the price holds (default: now; remove: the only one)");
  options.real("--electricity", wish->electricity, 0, kMost, "formula: money per kWh");
  options.real("--watts", wish->watts, 0, kMost, "formula: of the machine while it computes");
  options.real("--hardware", wish->hardware, 0, kMost, "formula: what the machine cost");
  options.real("--years", wish->years, 0, 100, "formula: over which it is paid off");
  options.real("--utilisation", wish->utilisation, 0, 1, "formula: share of them it computes");
  options.real("--speed-in", wish->speed_in, 0, kMost,
               "formula: prompt tokens/s (default: measured)");
  options.real("--speed-out", wish->speed_out, 0, kMost, "formula: generated tokens/s (likewise)");
  options.number("--days", wish->days, 1, 3650, "formula, speeds: measured in so many last days");
  options.examples(
      "  maru prices set gpt-x --in 2.50 --cached 1.25 --out 10\n"
      "  maru prices formula my-model --electricity 0.30 --watts 180 --hardware 2400 \\\n"
      "    --speed-in 900 --speed-out 110\n"
      "  maru prices speeds                what answers of the last 30 days measured\n"
      "  maru prices remove gpt-x --from 2026-12-01    before that day\n"
      "  maru prices list                  * marks prices by the formula");
  return [wish](const Context& context) { return run(context, *wish); };
}

}  // namespace

extern const Command command_prices;
const Command command_prices{"prices", "list and set what a model's tokens cost", 72, declare};

}  // namespace maru::apps
