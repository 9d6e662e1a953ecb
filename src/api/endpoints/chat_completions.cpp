// POST /v1/chat/completions
#include "api/generate.h"

namespace maru::api {
namespace {

void handle(const Call& call) { generate(call, parse_chat, make_chat_format, "chatcmpl-"); }

}  // namespace

extern const Endpoint endpoint_chat_completions;
constinit const Endpoint endpoint_chat_completions{
    "chat_completions",
    "POST",
    "/v1/chat/completions",
    Run::kWorker,
    {Who::kCaller, Scope::kInference, Feature::kCompletions},
    handle};

}  // namespace maru::api
