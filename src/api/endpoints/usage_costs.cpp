// GET /v1/organization/costs
#include "api/usage_page.h"

namespace maru::api {
namespace {

void handle(const Call& call) { answer_usage(call, UsageKind::kCosts, ""); }

}  // namespace

extern const Endpoint endpoint_usage_costs;
constinit const Endpoint endpoint_usage_costs{
    "usage_costs", "GET", "/v1/organization/costs", Run::kWorker, {Who::kAuditor, Scope::kUsage},
    handle};

}  // namespace maru::api
