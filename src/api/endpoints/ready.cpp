// GET /ready: there is a model to serve and requests are taken.
#include "api/endpoint.h"

namespace maru::api {
namespace {

void handle(const Call& call) {
  if (call.context->service->models().list().empty()) {
    return call.fail(make_http_error(503, "there is no model"));
  }
  call.answer(R"({"status":"ready"})");
}

}  // namespace

extern const Endpoint endpoint_ready;
constinit const Endpoint endpoint_ready{"ready", "GET", "/ready", Run::kInline, kPublic, handle};

}  // namespace maru::api
