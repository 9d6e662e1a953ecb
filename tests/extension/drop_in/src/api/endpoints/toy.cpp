// GET /toy: dropped in by tests/extension.
#include "api/endpoint.h"

namespace maru::api {
namespace {

void handle(const Call& call) { call.answer(R"({"toy":true})"); }

}  // namespace

extern const Endpoint endpoint_toy;
constinit const Endpoint endpoint_toy{"toy", "GET", "/toy", Run::kInline, kPublic, handle};

}  // namespace maru::api
