// Prices and limits, for administrators; auditors may look. Money is written as "12.50".
#include <fmt/format.h>

#include <limits>

#include "api/account_answers.h"
#include "api/wire/query.h"

namespace maru::api {
namespace {

constexpr Access kLook{Who::kAuditor, Scope::kAdmin};
constexpr Access kAct{Who::kAdmin, Scope::kAdmin};
constexpr int64_t kDays = 30, kMaxDays = 3650;

Json price_json(const store::PriceRow& row) {
  return {{"id", row.id},
          {"model", row.model},
          {"in", service::print_money(row.price.in_micros)},
          {"cached", service::print_money(row.price.cached_micros)},
          {"out", service::print_money(row.price.out_micros)},
          {"valid_from", row.valid_from},
          {"source", row.source}};
}

void list_prices(const Call& call) {
  answer_with_list(call, call.context->spending->list_prices(), price_json);
}

int64_t read_money(ObjectReader& body, const char* name) {
  const auto text = body.string(name);
  if (!text) return 0;
  const auto micros = service::parse_money(*text, body.path_of(name));
  if (micros) return *micros;
  const std::string path = body.path_of(name);
  body.problems().add(path, "invalid_value",
                      fmt::format("'{}' {}", path, micros.error().to_string()),
                      micros.error().reason);
  return 0;
}

service::PriceWish read_price_wish(ObjectReader& body) {
  service::PriceWish wish;
  body.require("model");
  wish.model = body.string("model").value_or("");
  wish.valid_from = body.integer("valid_from", 0, std::numeric_limits<int64_t>::max());
  return wish;
}

constexpr FieldSpec kPriceFields[] = {{"model", Support::kSupported},
                                      {"in", Support::kSupported},
                                      {"cached", Support::kSupported},
                                      {"out", Support::kSupported},
                                      {"valid_from", Support::kSupported}};

void add_price(const Call& call) {
  service::PriceWish wish;
  const bool read = read_object(call, kPriceFields, [&](ObjectReader& body) {
    for (const char* name : {"in", "out"}) body.require(name);
    wish = read_price_wish(body);
    wish.price = {read_money(body, "in"), read_money(body, "cached"), read_money(body, "out")};
  });
  if (!read) return;
  answer_with(call, call.context->spending->add_price(call.identity.user_id, wish), price_json);
}

constexpr FieldSpec kFormulaFields[] = {
    {"model", Support::kSupported},    {"electricity", Support::kSupported},
    {"watts", Support::kSupported},    {"hardware", Support::kSupported},
    {"years", Support::kSupported},    {"utilisation", Support::kSupported},
    {"speed_in", Support::kSupported}, {"speed_out", Support::kSupported},
    {"days", Support::kSupported},     {"valid_from", Support::kSupported}};

void add_price_by_formula(const Call& call) {
  service::PriceWish wish;
  service::PriceFormula formula;
  int64_t n_days = kDays;
  const bool read = read_object(call, kFormulaFields, [&](ObjectReader& body) {
    constexpr double kMost = 1e9;
    const auto number = [&](const char* name, double most, double otherwise) {
      return body.number(name, 0, most).value_or(otherwise);
    };
    wish = read_price_wish(body);
    formula.electricity_per_kwh = number("electricity", kMost, 0);
    formula.watts = number("watts", kMost, 0);
    formula.hardware_price = number("hardware", kMost, 0);
    formula.hardware_years = number("years", 100, 4);
    formula.utilisation = number("utilisation", 1, 1);
    formula.tokens_in_per_second = number("speed_in", kMost, 0);
    formula.tokens_out_per_second = number("speed_out", kMost, 0);
    n_days = body.integer("days", 1, kMaxDays).value_or(kDays);
  });
  if (!read) return;
  answer_with(
      call,
      call.context->spending->add_price_by_formula(call.identity.user_id, wish, formula, n_days),
      price_json);
}

void remove_price(const Call& call) {
  answer_done(call,
              call.context->spending->remove_price(call.identity.user_id, call.path_arguments[0]));
}

Result<int64_t> read_days(const Call& call) {
  MARU_ASSIGN_OR_RETURN(const Query query, Query::parse(call.request.query));
  MARU_RETURN_IF_ERROR(query.only({"days"}));
  MARU_ASSIGN_OR_RETURN(const auto days, query.number("days", 1, kMaxDays));
  return days.value_or(kDays);
}

void list_speeds(const Call& call) {
  const auto n_days = read_days(call);
  if (!n_days) return call.fail(to_api_error(n_days.error()));
  answer_with_list(call, call.context->spending->measure_speeds(*n_days),
                   [](const service::ModelSpeed& speed) -> Json {
                     return {{"model", speed.model},
                             {"n_requests", speed.n_requests},
                             {"busy_seconds", speed.busy_seconds},
                             {"tokens_in_per_second", speed.tokens_in_per_second},
                             {"tokens_out_per_second", speed.tokens_out_per_second}};
                   });
}

Json limit_json(const store::LimitRow& row) {
  return {{"kind", row.subject_kind},
          {"id", row.subject_id},
          {"name", row.name},
          {"value", service::print_limit_value(row)}};
}

void list_limits(const Call& call) {
  answer_with_list(call, call.context->spending->list_limits(), limit_json);
}

constexpr FieldSpec kLimitFields[] = {{"kind", Support::kSupported},
                                      {"id", Support::kSupported},
                                      {"name", Support::kSupported},
                                      {"value", Support::kSupported}};

void set_limit(const Call& call) {
  std::string kind, id, name, value;
  const bool read = read_object(call, kLimitFields, [&](ObjectReader& body) {
    for (const char* field : {"kind", "id", "name", "value"}) body.require(field);
    kind = body.string("kind").value_or("");
    id = body.string("id").value_or("");
    name = body.string("name").value_or("");
    value = body.string("value").value_or("");
  });
  if (!read) return;
  const auto limit = service::read_limit(kind, id, name, value);
  if (!limit) return call.fail(to_api_error(limit.error()));
  const Status set = call.context->spending->set_limit(call.identity.user_id, *limit);
  if (!set) return call.fail(to_api_error(set.error()));
  call.answer(dump_json(limit_json(*limit)));
}

void remove_limit(const Call& call) {
  const auto& parts = call.path_arguments;
  answer_done(call, call.context->spending->remove_limit(call.identity.user_id,
                                                         {parts[0], parts[1], parts[2], 0}));
}

constexpr Endpoint kEndpoints[] = {
    {"admin_prices", "GET", "/api/admin/prices", Run::kWorker, kLook, list_prices},
    {"admin_price_add", "POST", "/api/admin/prices", Run::kWorker, kAct, add_price},
    {"admin_price_by_formula", "POST", "/api/admin/prices/formula", Run::kWorker, kAct,
     add_price_by_formula},
    {"admin_speeds", "GET", "/api/admin/prices/speeds", Run::kWorker, kLook, list_speeds},
    {"admin_price_remove", "DELETE", "/api/admin/prices/{price}", Run::kWorker, kAct, remove_price},
    {"admin_limits", "GET", "/api/admin/limits", Run::kWorker, kLook, list_limits},
    {"admin_limit_set", "POST", "/api/admin/limits", Run::kWorker, kAct, set_limit},
    {"admin_limit_remove", "DELETE", "/api/admin/limits/{kind}/{id}/{name}", Run::kWorker, kAct,
     remove_limit},
};

}  // namespace

extern const Resource resource_admin_spending;
constinit const Resource resource_admin_spending{kEndpoints};

}  // namespace maru::api
