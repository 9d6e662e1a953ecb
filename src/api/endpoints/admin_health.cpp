// GET /api/admin/health: what the server does now. Counters run from its start; who wants a speed
// asks twice and divides by the difference of `at`.
#include "api/endpoint.h"
#include "base/json.h"
#include "base/memory_limits.h"
#include "service/clock.h"

namespace maru::api {
namespace {

void handle(const Call& call) {
  const engine::EngineStats stats = call.context->service->engine_stats();
  const MemoryLimits limits = read_memory_limits();
  const Json json = {{"at", service::unix_milliseconds()},
                     {"version", MARU_VERSION},
                     {"requests", {{"running", stats.n_running}, {"waiting", stats.n_waiting}}},
                     {"tokens",
                      {{"prompt", stats.prompt_tokens},
                       {"cached", stats.cached_tokens},
                       {"new", stats.new_tokens}}},
                     {"kv_bytes",
                      {{"total", stats.kv_bytes_total},
                       {"used", stats.kv_bytes_used},
                       {"cached", stats.kv_bytes_cached}}},
                     {"memory_bytes",
                      {{"total", limits.total_bytes},
                       {"available", limits.available_bytes},
                       {"resident", read_resident_bytes()}}},
                     {"disk_bytes", stats.disk_bytes}};
  call.answer(dump_json(json));
}

}  // namespace

extern const Endpoint endpoint_admin_health;
constinit const Endpoint endpoint_admin_health{
    "admin_health", "GET", "/api/admin/health", Run::kWorker, {Who::kAdmin, Scope::kAdmin}, handle};

}  // namespace maru::api
