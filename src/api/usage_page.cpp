#include "api/usage_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "api/wire/query.h"
#include "base/json.h"
#include "service/prices.h"

namespace maru::api {
namespace {

constexpr int64_t kSecond = 1000;
constexpr int64_t kMinute = 60 * kSecond;
constexpr int64_t kHour = 60 * kMinute;
constexpr int64_t kDay = 24 * kHour;
constexpr int64_t kLatest = 253'402'300'799;  // seconds: the end of the year 9999
constexpr std::string_view kPagePrefix = "page_";
constexpr int64_t kMostTableBuckets = 100'000;

struct Width {
  std::string_view name;
  int64_t ms;
  int64_t default_limit, max_limit;  // buckets of a page, as OpenAI has them
};
constexpr Width kWidths[] = {
    {"1d", kDay, 7, 31}, {"1h", kHour, 24, 168}, {"1m", kMinute, 60, 1440}};
constexpr Width kCostWidth = {"1d", kDay, 7, 180};

struct Question {
  store::UsageFilter filter;
  store::UsageGrouping grouping;
  int64_t width_ms = kDay;
  int64_t n_buckets = 0;  // of this page
  int64_t page_end = 0;   // where the next page begins
};

Error bad_parameter(std::string message, std::string param) {
  return {ErrorCode::kInvalidArgument, std::move(message), "", std::move(param)};
}

Result<Width> read_width(const Query& query, UsageKind kind) {
  MARU_ASSIGN_OR_RETURN(const auto name, query.text("bucket_width"));
  if (kind == UsageKind::kCosts) {
    if (!name || *name == kCostWidth.name) return kCostWidth;
    return bad_parameter("costs come by the day: bucket_width is 1d", "bucket_width");
  }
  if (!name) return kWidths[0];
  for (const Width& width : kWidths) {
    if (width.name == *name) return width;
  }
  return bad_parameter("bucket_width must be 1m, 1h or 1d", "bucket_width");
}

Status read_grouping(const Query& query, UsageKind kind, store::UsageGrouping& grouping) {
  for (const std::string& name : query.all("group_by")) {
    if (name == "user_id") {
      grouping.by_user = true;
    } else if (name == "api_key_id") {
      grouping.by_key = true;
    } else if (name == "project_id") {
      grouping.by_project = true;
    } else if (name == "model" || (kind == UsageKind::kCosts && name == "line_item")) {
      grouping.by_model = true;
    } else {
      return bad_parameter(
          fmt::format("can't group by '{}': there are model, user_id, api_key_id, project_id",
                      name),
          "group_by");
    }
  }
  return {};
}

Result<Question> read_question(const Query& query, UsageKind kind, int64_t now) {
  MARU_RETURN_IF_ERROR(query.only({"start_time", "end_time", "bucket_width", "group_by", "limit",
                                   "page", "user_ids", "api_key_ids", "project_ids", "models"}));
  Question question;
  MARU_ASSIGN_OR_RETURN(const Width width, read_width(query, kind));
  MARU_ASSIGN_OR_RETURN(const auto start, query.number("start_time", 0, kLatest));
  if (!start) return bad_parameter("start_time is needed, in seconds since 1970", "start_time");
  MARU_ASSIGN_OR_RETURN(const auto end, query.number("end_time", 0, kLatest));
  MARU_ASSIGN_OR_RETURN(const auto limit, query.number("limit", 1, width.max_limit));
  MARU_ASSIGN_OR_RETURN(const auto page, query.text("page"));
  MARU_RETURN_IF_ERROR(read_grouping(query, kind, question.grouping));
  question.filter.begin = *start * kSecond;
  question.filter.end = end ? *end * kSecond : now + 1;
  if (question.filter.end <= question.filter.begin) {
    return bad_parameter("end_time must come after start_time", "end_time");
  }
  if (page) {
    if (!page->starts_with(kPagePrefix)) return bad_parameter("there is no such page", "page");
    MARU_ASSIGN_OR_RETURN(const int64_t from,
                          parse_whole_number(std::string_view(*page).substr(kPagePrefix.size()),
                                             "page", *start, kLatest));
    question.filter.begin = from * kSecond;
  }
  question.filter.user_ids = query.all("user_ids");
  question.filter.key_ids = query.all("api_key_ids");
  question.filter.project_ids = query.all("project_ids");
  question.filter.models = query.all("models");
  question.width_ms = width.ms;
  question.n_buckets = limit.value_or(width.default_limit);
  question.page_end = question.filter.begin / width.ms * width.ms + question.n_buckets * width.ms;
  return question;
}

Json text_or_null(bool is_grouped, const std::string& text) {
  return is_grouped && !text.empty() ? Json(text) : Json(nullptr);
}

Json money_json(const store::UsageSum& sum, const std::string& currency) {
  constexpr double kMicros = 1e6;
  return {{"value", static_cast<double>(sum.cost_micros) / kMicros}, {"currency", currency}};
}

Json result_json(const store::UsageSum& sum, UsageKind kind, const store::UsageGrouping& grouping,
                 const std::string& currency) {
  Json out;
  if (kind == UsageKind::kCompletions) {
    out = {{"object", "organization.usage.completions.result"},
           {"input_tokens", sum.tokens_in},
           {"output_tokens", sum.tokens_out},
           {"input_cached_tokens", sum.tokens_cached},
           {"input_audio_tokens", 0},
           {"output_audio_tokens", 0},
           {"num_model_requests", sum.n_requests}};
    out["model"] = text_or_null(grouping.by_model, sum.model);
    out["batch"] = nullptr;
    out["maru"] = {{"cost", money_json(sum, currency)},
                   {"timed_requests", sum.n_timed},
                   {"first_token_ms", sum.first_token_ms},
                   {"total_ms", sum.total_ms}};
  } else {
    out = {{"object", "organization.costs.result"}};
    out["amount"] = money_json(sum, currency);
    out["line_item"] = text_or_null(grouping.by_model, sum.model);
  }
  out["project_id"] = text_or_null(grouping.by_project, sum.project_id);
  out["user_id"] = text_or_null(grouping.by_user, sum.user_id);
  out["api_key_id"] = text_or_null(grouping.by_key, sum.key_id);
  return out;
}

Json page_json(const Question& question, const std::vector<store::UsageSum>& sums, UsageKind kind,
               int64_t end, const std::string& currency) {
  Json data = Json::array();
  auto next = sums.begin();
  for (int64_t bucket = question.filter.begin / question.width_ms * question.width_ms;
       bucket < std::min(end, question.page_end); bucket += question.width_ms) {
    Json results = Json::array();
    for (; next != sums.end() && next->bucket == bucket; ++next) {
      results.push_back(result_json(*next, kind, question.grouping, currency));
    }
    data.push_back({{"object", "bucket"},
                    {"start_time", bucket / kSecond},
                    {"end_time", (bucket + question.width_ms) / kSecond},
                    {"results", std::move(results)}});
  }
  const bool has_more = question.page_end < end;
  return {
      {"object", "page"},
      {"data", std::move(data)},
      {"has_more", has_more},
      {"next_page", has_more ? Json(fmt::format("{}{}", kPagePrefix, question.page_end / kSecond))
                             : Json(nullptr)}};
}

bool wants_csv(const net::Request& request) {
  return request.header("accept").find("text/csv") != std::string_view::npos;
}

}  // namespace

void answer_usage(const Call& call, UsageKind kind, const std::string& only_user_id) {
  const auto refuse = [&](const Error& error) { call.fail(to_api_error(error)); };
  if (!call.context->usage) {
    return refuse({ErrorCode::kUnavailable, "this server keeps no record of what is used", "", "",
                   Reason{"usage_off"}});
  }
  const auto query = Query::parse(call.request.query);
  if (!query) return refuse(query.error());
  auto question = read_question(*query, kind, service::unix_milliseconds());
  if (!question) return refuse(question.error());
  store::UsageFilter& filter = question->filter;
  if (!only_user_id.empty()) filter.user_ids = {only_user_id};
  const bool is_table = wants_csv(call.request);
  if (is_table && (filter.end - filter.begin) / question->width_ms > kMostTableBuckets) {
    return refuse(bad_parameter("that are too many buckets for one table", "bucket_width"));
  }
  const int64_t end = filter.end;
  if (!is_table) filter.end = std::min(end, question->page_end);
  const service::UsageReport& report = *call.context->usage;
  const auto sums = report.sum(filter, question->width_ms, question->grouping);
  if (!sums) return refuse(sums.error());
  if (is_table) {
    call.writer.send({200,
                      service::usage_csv(*sums, report.currency()),
                      "text/csv; charset=utf-8",
                      {{"Content-Disposition", "attachment; filename=\"usage.csv\""}}});
    return;
  }
  call.answer(dump_json(page_json(*question, *sums, kind, end, report.currency())));
}

}  // namespace maru::api
