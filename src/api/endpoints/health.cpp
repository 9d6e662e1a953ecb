// GET /health: the process answers, and whether one must log in. Says nothing about models, see
// ready.cpp.
#include "api/endpoint.h"

namespace maru::api {
namespace {

void handle(const Call& call) {
  const auto open = call.context->sign_in->is_open();
  const bool anybody = open && *open;
  call.answer(anybody ? R"({"status":"ok","login":"not_needed"})"
                      : R"({"status":"ok","login":"needed"})");
}

}  // namespace

extern const Endpoint endpoint_health;
constinit const Endpoint endpoint_health{"health", "GET", "/health", Run::kInline, kPublic, handle};

}  // namespace maru::api
