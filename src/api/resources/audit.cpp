// The record of acts, for auditors and administrators.
#include <limits>

#include "api/account_answers.h"
#include "api/wire/query.h"

namespace maru::api {
namespace {

constexpr Access kAccess{Who::kAuditor, Scope::kAudit};
constexpr int64_t kPage = 100, kMaxPage = 1000;

// `detail` was made by Maru, but rows may have been tampered with.
Json detail_json(const std::string& detail) {
  auto json = parse_json(detail);
  return json ? *std::move(json) : Json(detail);
}

Json row_json(const store::AuditRow& row) {
  return {{"seq", row.seq},
          {"at", row.at},
          {"actor", row.entry.actor},
          {"action", row.entry.action},
          {"subject", row.entry.subject},
          {"detail", detail_json(row.entry.detail)},
          {"previous_hash", row.previous_hash},
          {"hash", row.hash}};
}

struct Page {
  int64_t before = 0;
  size_t limit = 0;
};

Result<Page> read_page(const Call& call) {
  MARU_ASSIGN_OR_RETURN(const Query query, Query::parse(call.request.query));
  MARU_RETURN_IF_ERROR(query.only({"cursor", "limit"}));
  MARU_ASSIGN_OR_RETURN(const auto before,
                        query.number("cursor", 1, std::numeric_limits<int64_t>::max()));
  MARU_ASSIGN_OR_RETURN(const auto limit, query.number("limit", 1, kMaxPage));
  return Page{before.value_or(0), static_cast<size_t>(limit.value_or(kPage))};
}

// The newest first; the cursor is the last row's number.
void list_acts(const Call& call) {
  const auto page = read_page(call);
  if (!page) return call.fail(to_api_error(page.error()));
  const size_t limit = page->limit;
  answer_with(call, call.context->accounts->log().list_before(page->before, limit),
              [&](const std::vector<store::AuditRow>& rows) -> Json {
                Json data = Json::array();
                for (const auto& row : rows) data.push_back(row_json(row));
                const bool may_go_on = rows.size() == limit && rows.back().seq > 1;
                return {{"data", std::move(data)},
                        {"next", may_go_on ? Json(std::to_string(rows.back().seq)) : Json()}};
              });
}

void verify(const Call& call) {
  answer_with(call, call.context->accounts->log().verify({}),
              [](const store::AuditReport& report) -> Json {
                Json fault;
                if (report.fault)
                  fault = {{"seq", report.fault->seq}, {"what", report.fault->what}};
                return {{"sound", !report.fault},
                        {"head", {{"seq", report.head.seq}, {"hash", report.head.hash}}},
                        {"fault", std::move(fault)}};
              });
}

constexpr Endpoint kEndpoints[] = {
    {"admin_audit", "GET", "/api/admin/audit", Run::kWorker, kAccess, list_acts},
    // Goes through all rows.
    {"admin_audit_verify", "GET", "/api/admin/audit/verification", Run::kSlow, kAccess, verify},
};

}  // namespace

extern const Resource resource_audit;
constinit const Resource resource_audit{kEndpoints};

}  // namespace maru::api
