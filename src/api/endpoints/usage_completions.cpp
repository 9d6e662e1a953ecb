// GET /v1/organization/usage/completions
#include "api/usage_page.h"

namespace maru::api {
namespace {

void handle(const Call& call) { answer_usage(call, UsageKind::kCompletions, ""); }

}  // namespace

extern const Endpoint endpoint_usage_completions;
constinit const Endpoint endpoint_usage_completions{"usage_completions",
                                                    "GET",
                                                    "/v1/organization/usage/completions",
                                                    Run::kWorker,
                                                    {Who::kAuditor, Scope::kUsage},
                                                    handle};

}  // namespace maru::api
