// POST /v1/completions
#include "api/generate.h"

namespace maru::api {
namespace {

void handle(const Call& call) { generate(call, parse_completion, make_completion_format, "cmpl-"); }

}  // namespace

extern const Endpoint endpoint_completions;
constinit const Endpoint endpoint_completions{
    "completions",
    "POST",
    "/v1/completions",
    Run::kWorker,
    {Who::kCaller, Scope::kInference, Feature::kCompletions},
    handle};

}  // namespace maru::api
