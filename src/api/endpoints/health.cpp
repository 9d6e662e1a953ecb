// GET /health: the process answers. Says nothing about models, see ready.cpp.
#include "api/endpoint.h"

namespace maru::api {
namespace {

void handle(const Call& call) { call.answer(R"({"status":"ok"})"); }

}  // namespace

extern const Endpoint endpoint_health;
constinit const Endpoint endpoint_health{"health", "GET", "/health", Run::kInline, kPublic, handle};

}  // namespace maru::api
