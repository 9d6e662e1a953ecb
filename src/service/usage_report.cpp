#include "service/usage_report.h"

#include <fmt/format.h>

#include <chrono>

#include "service/prices.h"

namespace maru::service {
namespace {

// A field that a spreadsheet takes for a formula is not one: it gets a quote in front.
std::string csv_field(const std::string& text) {
  const bool is_formula =
      !text.empty() && std::string_view("=+-@\t\r").find(text.front()) != std::string_view::npos;
  std::string field = (is_formula ? "'" : "") + text;
  if (field.find_first_of(",\"\r\n") == std::string::npos) return field;
  std::string quoted = "\"";
  for (const char c : field) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

}  // namespace

Result<std::vector<store::UsageSum>> UsageReport::sum(const store::UsageFilter& filter,
                                                      int64_t width_ms,
                                                      const store::UsageGrouping& grouping) const {
  std::vector<store::UsageSum> sums;
  MARU_RETURN_IF_ERROR(database_->read([&](store::Transaction& transaction) -> Status {
    MARU_ASSIGN_OR_RETURN(sums, store::sum_usage(transaction, filter, width_ms, grouping));
    return {};
  }));
  return sums;
}

std::string usage_csv(const std::vector<store::UsageSum>& sums, const std::string& currency) {
  std::string out =
      "start,user,key,project,model,requests,tokens_in,tokens_cached,tokens_out,"
      "tokens_reasoning,cost,currency\r\n";
  for (const store::UsageSum& sum : sums) {
    out += fmt::format("{},{},{},{},{},{},{},{},{},{},{},{}\r\n",
                       sum.bucket > 0 ? print_time(sum.bucket) : "", csv_field(sum.user_id),
                       csv_field(sum.key_id), csv_field(sum.project_id), csv_field(sum.model),
                       sum.n_requests, sum.tokens_in, sum.tokens_cached, sum.tokens_out,
                       sum.tokens_reasoning, print_money(sum.cost_micros), csv_field(currency));
  }
  return out;
}

std::string print_day(int64_t time) { return print_time(time).substr(0, 10); }

std::string print_time(int64_t time) {
  using namespace std::chrono;
  const sys_time<milliseconds> at{milliseconds(time)};
  const auto midnight = floor<days>(at);
  const year_month_day day(midnight);
  const hh_mm_ss clock(floor<seconds>(at - midnight));
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", static_cast<int>(day.year()),
                     static_cast<unsigned>(day.month()), static_cast<unsigned>(day.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

}  // namespace maru::service
