#include "service/prices.h"

#include <charconv>
#include <chrono>
#include <memory>

#include "apps/books.h"
#include "apps/command.h"
#include "apps/options.h"
#include "apps/table.h"
#include "apps/terminal.h"
#include "base/json.h"
#include "base/random.h"
#include "service/clock.h"
#include "service/usage_report.h"

namespace maru::apps {
namespace {

struct Wish {
  std::string act, model, in, cached, out, from;
  float electricity = 0, watts = 0, hardware = 0, years = 4, utilisation = 1;
  float speed_in = 0, speed_out = 0;
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

Result<store::Price> compute_price(const Wish& wish) {
  service::PriceFormula formula;
  formula.electricity_per_kwh = wish.electricity;
  formula.watts = wish.watts;
  formula.hardware_price = wish.hardware;
  formula.hardware_years = wish.years;
  formula.utilisation = wish.utilisation;
  formula.tokens_in_per_second = wish.speed_in;
  formula.tokens_out_per_second = wish.speed_out;
  return service::price_by_formula(formula);
}

Result<int> add(const Context& context, store::Database& database, const Wish& wish,
                const store::Price& price, const char* source) {
  if (wish.model.empty()) {
    return Error{ErrorCode::kInvalidArgument, "which model's price?",
                 "maru prices " + wish.act + " MODEL", "model"};
  }
  store::PriceRow row{random_id("price_"), wish.model, price, service::unix_milliseconds(), source};
  if (!wish.from.empty()) {
    MARU_ASSIGN_OR_RETURN(row.valid_from, read_day(wish.from));
  }
  const Json detail = {{"in", price.in_micros},
                       {"cached", price.cached_micros},
                       {"out", price.out_micros},
                       {"valid_from", row.valid_from},
                       {"source", source}};
  MARU_RETURN_IF_ERROR(change_books(
      database, "price.set", wish.model, detail,
      [&](store::Transaction& transaction) { return store::add_price(transaction, row); }));
  write_stdout(
      context.say(Message::kPriceSet, printable(wish.model), service::print_money(price.in_micros),
                  service::print_money(price.cached_micros), service::print_money(price.out_micros),
                  service::print_time(row.valid_from)) +
      "\n");
  return 0;
}

Result<int> list(const Context& context, const store::Database& database) {
  std::vector<store::PriceRow> prices;
  MARU_RETURN_IF_ERROR(database.read([&](store::Transaction& transaction) -> Status {
    MARU_ASSIGN_OR_RETURN(prices, store::list_prices(transaction));
    return {};
  }));
  if (prices.empty()) write_stderr(context.say(Message::kNoPrices) + "\n");
  for (const store::PriceRow& row : prices) {
    write_stdout(context.say(Message::kPriceSet, printable(row.model),
                             service::print_money(row.price.in_micros),
                             service::print_money(row.price.cached_micros),
                             service::print_money(row.price.out_micros),
                             service::print_time(row.valid_from)) +
                 (row.source == "formula" ? " *" : "") + "\n");
  }
  return 0;
}

Result<int> run(const Context& context, const Wish& wish) {
  MARU_ASSIGN_OR_RETURN(const auto database, open_books(context));
  if (wish.act == "list") return list(context, *database);
  if (wish.act == "set") {
    MARU_ASSIGN_OR_RETURN(const store::Price price, read_price(wish));
    return add(context, *database, wish, price, "manual");
  }
  if (wish.act == "formula") {
    MARU_ASSIGN_OR_RETURN(const store::Price price, compute_price(wish));
    return add(context, *database, wish, price, "formula");
  }
  return Error{ErrorCode::kInvalidArgument, "there is no 'maru prices " + wish.act + "'",
               "there are list, set and formula", "act"};
}

CommandBody declare(Options& options) {
  auto wish = std::make_shared<Wish>();
  constexpr float kMost = 1e9F;
  options.argument("ACT", wish->act, "list, set or formula");
  options.argument("MODEL", wish->model, "a model, as clients name it", false);
  options.text("--in", wish->in, "set: money per million prompt tokens");
  options.text("--cached", wish->cached, "set: of those that are found in the cache (default 0)");
  options.text("--out", wish->out, "set: money per million generated tokens");
  options.text("--from", wish->from, "the day (UTC) from which the price holds (default: now)");
  options.real("--electricity", wish->electricity, 0, kMost, "formula: money per kWh");
  options.real("--watts", wish->watts, 0, kMost, "formula: of the machine while it computes");
  options.real("--hardware", wish->hardware, 0, kMost, "formula: what the machine cost");
  options.real("--years", wish->years, 0, 100, "formula: over which it is paid off");
  options.real("--utilisation", wish->utilisation, 0, 1, "formula: share of them it computes");
  options.real("--speed-in", wish->speed_in, 0, kMost, "formula: prompt tokens/s (maru bench)");
  options.real("--speed-out", wish->speed_out, 0, kMost, "formula: generated tokens/s");
  options.examples(
      "  maru prices set gpt-x --in 2.50 --cached 1.25 --out 10\n"
      "  maru prices formula my-model --electricity 0.30 --watts 180 --hardware 2400 \\\n"
      "    --speed-in 900 --speed-out 110\n"
      "  maru prices list                  * marks prices by the formula");
  return [wish](const Context& context) { return run(context, *wish); };
}

}  // namespace

extern const Command command_prices;
const Command command_prices{"prices", "list and set what a model's tokens cost", 72, declare};

}  // namespace maru::apps
