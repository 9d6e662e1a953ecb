// GET /api/me/usage: what the caller used, in the shape of /v1/organization/usage/completions.
#include "api/usage_page.h"

namespace maru::api {
namespace {

void handle(const Call& call) {
  answer_usage(call, UsageKind::kCompletions, service::spender_of(call.identity).user_id);
}

}  // namespace

extern const Endpoint endpoint_my_usage;
constinit const Endpoint endpoint_my_usage{
    "my_usage", "GET", "/api/me/usage", Run::kWorker, {Who::kCaller, Scope::kUsage}, handle};

}  // namespace maru::api
