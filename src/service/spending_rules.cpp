#include "service/spending_rules.h"

#include <charconv>
#include <utility>

#include "base/json.h"
#include "base/random.h"
#include "service/accounts.h"
#include "service/in_database.h"
#include "service/limits.h"

namespace maru::service {
namespace {

constexpr int64_t kDay = 86'400'000;
constexpr int64_t kMostDays = 3650;
constexpr int64_t kMostLimit = 1'000'000'000'000;

Result<int64_t> first_moment(int64_t n_days, int64_t now) {
  if (n_days < 1 || n_days > kMostDays) {
    return Error{ErrorCode::kInvalidArgument, "days must be 1 to 3650", "", "days",
                 Reason{"out_of_range", {{"field", "days"}, {"low", 1}, {"high", 3650}}}};
  }
  return now - n_days * kDay;
}

Status check_limit(const store::LimitRow& limit) {
  if (!find_subject_kind(limit.subject_kind)) {
    return Error{ErrorCode::kInvalidArgument, "there are no limits of '" + limit.subject_kind + "'",
                 "there are limits of a user, group, project or key", "kind",
                 Reason{"limit_unknown", {{"name", limit.subject_kind}}}};
  }
  MARU_RETURN_IF_ERROR(check_title(limit.subject_id, "id"));
  if (!find_limit_name(limit.name)) {
    return Error{ErrorCode::kInvalidArgument, "there is no limit '" + limit.name + "'",
                 "there are requests_per_minute, tokens_per_minute, tokens_per_month, "
                 "money_per_month, streams and context",
                 "name", Reason{"limit_unknown", {{"name", limit.name}}}};
  }
  if (limit.value >= 0 && limit.value <= kMostLimit) return {};
  return Error{ErrorCode::kInvalidArgument, "a limit is a number from 0 to 10^12", "", "value",
               Reason{"limit_bad"}};
}

std::string subject_of(const store::LimitRow& limit) {
  return limit.subject_kind + " " + limit.subject_id;
}

bool is_money(const std::string& name) {
  return find_limit_name(name) == LimitName::kMoneyPerMonth;
}

}  // namespace

ModelSpeed model_speed(const store::ModelTimes& times) {
  ModelSpeed speed{times.model, times.n_requests, static_cast<double>(times.busy_ms) / 1000.0, 0,
                   0};
  const double all_ms = static_cast<double>(times.first_token_ms + times.rest_ms);
  if (all_ms <= 0) return speed;
  const auto rate = [&](int64_t n_tokens, int64_t ms) {
    const double seconds = speed.busy_seconds * static_cast<double>(ms) / all_ms;
    return seconds > 0 ? static_cast<double>(n_tokens) / seconds : 0.0;
  };
  speed.tokens_in_per_second = rate(times.tokens_in, times.first_token_ms);
  speed.tokens_out_per_second = rate(times.tokens_out, times.rest_ms);
  return speed;
}

SpendingRules::SpendingRules(std::shared_ptr<AuditLog> log, Clock clock)
    : log_(std::move(log)), database_(log_->database()), clock_(std::move(clock)) {}

Result<std::vector<store::PriceRow>> SpendingRules::list_prices() const {
  return reading<std::vector<store::PriceRow>>(
      *database_, [](store::Transaction& transaction) { return store::list_prices(transaction); });
}

Result<store::PriceRow> SpendingRules::add_price(const std::string& actor, const PriceWish& wish) {
  MARU_RETURN_IF_ERROR(check_title(wish.model, "model"));
  const store::PriceRow row{random_id("price_"), wish.model, wish.price,
                            wish.valid_from.value_or(clock_()), wish.source};
  const Json detail{{"in", row.price.in_micros},
                    {"cached", row.price.cached_micros},
                    {"out", row.price.out_micros},
                    {"valid_from", row.valid_from},
                    {"source", row.source}};
  const Act act{actor, "price.set", row.model, dump_json(detail)};
  const Status status = log_->change(
      act, [&](store::Transaction& transaction) { return store::add_price(transaction, row); });
  if (!status && status.error().code == ErrorCode::kConflict) {
    return Error{ErrorCode::kConflict, "the model has a price from that very time on",
                 "choose another time", "valid_from", Reason{"price_taken"}};
  }
  MARU_RETURN_IF_ERROR(status);
  return row;
}

Result<store::PriceRow> SpendingRules::add_price_by_formula(const std::string& actor,
                                                            PriceWish wish, PriceFormula formula,
                                                            int64_t n_days) {
  double& in = formula.tokens_in_per_second;
  double& out = formula.tokens_out_per_second;
  if (in == 0 || out == 0) {
    MARU_ASSIGN_OR_RETURN(const auto speeds, measure_speeds(n_days));
    for (const ModelSpeed& speed : speeds) {
      if (speed.model != wish.model) continue;
      if (in == 0) in = speed.tokens_in_per_second;
      if (out == 0) out = speed.tokens_out_per_second;
    }
    if (in == 0 || out == 0) {
      return Error{ErrorCode::kConflict, "there is nothing to measure the model's speed by",
                   "give the speeds (maru bench measures them), or let it answer first", "model",
                   Reason{"price_unmeasured"}};
    }
  }
  MARU_ASSIGN_OR_RETURN(wish.price, price_by_formula(formula));
  wish.source = "formula";
  return add_price(actor, wish);
}

Status SpendingRules::remove_price(const std::string& actor, const std::string& id) {
  return log_->change(
      {actor, "price.remove", id, "{}"}, [&](store::Transaction& transaction) -> Status {
        MARU_ASSIGN_OR_RETURN(const auto rows, store::list_prices(transaction));
        for (const store::PriceRow& row : rows) {
          if (row.id != id) continue;
          if (row.valid_from > clock_()) return store::remove_price(transaction, id);
          return Error{ErrorCode::kConflict, "the price has been in force",
                       "add another one that begins later", "", Reason{"price_in_force"}};
        }
        return not_found("price");
      });
}

Result<std::vector<ModelSpeed>> SpendingRules::measure_speeds(int64_t n_days) const {
  MARU_ASSIGN_OR_RETURN(const int64_t begin, first_moment(n_days, clock_()));
  MARU_ASSIGN_OR_RETURN(const auto times, (reading<std::vector<store::ModelTimes>>(
                                              *database_, [&](store::Transaction& transaction) {
                                                return store::sum_model_times(transaction, begin);
                                              })));
  std::vector<ModelSpeed> speeds;
  for (const store::ModelTimes& one : times) speeds.push_back(model_speed(one));
  return speeds;
}

Result<std::vector<store::LimitRow>> SpendingRules::list_limits() const {
  return reading<std::vector<store::LimitRow>>(
      *database_, [](store::Transaction& transaction) { return store::list_limits(transaction); });
}

Status SpendingRules::set_limit(const std::string& actor, const store::LimitRow& limit) {
  MARU_RETURN_IF_ERROR(check_limit(limit));
  const Act act{actor, "limit.set", subject_of(limit),
                dump_json(Json{{"name", limit.name}, {"value", limit.value}})};
  return log_->change(
      act, [&](store::Transaction& transaction) { return store::set_limit(transaction, limit); });
}

Status SpendingRules::remove_limit(const std::string& actor, const store::LimitRow& limit) {
  MARU_RETURN_IF_ERROR(check_limit(limit));
  const Act act{actor, "limit.remove", subject_of(limit), dump_json(Json{{"name", limit.name}})};
  return log_->change(act, [&](store::Transaction& transaction) -> Status {
    MARU_ASSIGN_OR_RETURN(const bool was_there, store::remove_limit(transaction, limit));
    if (!was_there) return not_found("limit");
    return {};
  });
}

Result<store::LimitRow> read_limit(const std::string& kind, const std::string& id,
                                   const std::string& name, const std::string& value) {
  store::LimitRow limit{kind, id, name, 0};
  MARU_RETURN_IF_ERROR(check_limit(limit));
  if (is_money(name)) {
    MARU_ASSIGN_OR_RETURN(limit.value, parse_money(value, "value"));
    return limit;
  }
  const char* const end = value.data() + value.size();
  const auto [stop, code] = std::from_chars(value.data(), end, limit.value);
  if (code != std::errc{} || stop != end) {
    return Error{ErrorCode::kInvalidArgument, "'" + value + "' is no limit",
                 "a whole number from 0 on", "value", Reason{"limit_bad"}};
  }
  MARU_RETURN_IF_ERROR(check_limit(limit));
  return limit;
}

std::string print_limit_value(const store::LimitRow& limit) {
  return is_money(limit.name) ? print_money(limit.value) : std::to_string(limit.value);
}

}  // namespace maru::service
