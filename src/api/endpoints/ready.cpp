// GET /ready: a model is loaded and requests are taken.
#include "api/endpoint.h"

namespace maru::api {
namespace {

void handle(const Call& call) {
  if (call.context->service->models().empty()) {
    return call.fail(make_http_error(503, "no model is loaded"));
  }
  call.answer(R"({"status":"ready"})");
}

}  // namespace

extern const Endpoint endpoint_ready;
constinit const Endpoint endpoint_ready{"ready", "GET", "/ready", Run::kInline, kPublic, handle};

}  // namespace maru::api
