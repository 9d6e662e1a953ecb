// GET /metrics: Prometheus' text format 0.0.4.
#include "api/endpoint.h"

namespace maru::api {
namespace {

void handle(const Call& call) {
  call.writer.send({200,
                    call.context->metrics.print(call.context->service->engine_stats()),
                    "text/plain; version=0.0.4; charset=utf-8",
                    {}});
}

}  // namespace

extern const Endpoint endpoint_metrics;
constinit const Endpoint endpoint_metrics{
    "metrics", "GET", "/metrics", Run::kWorker, {Who::kCaller, Scope::kMetrics}, handle};

}  // namespace maru::api
