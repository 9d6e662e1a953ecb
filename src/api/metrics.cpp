#include "api/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <mutex>

namespace maru::api {
namespace {

using Seconds = std::chrono::duration<double>;

const prometheus::Histogram::BucketBoundaries kRequestBuckets = {0.001, 0.005, 0.02, 0.1, 0.5, 1,
                                                                 2.5,   5,     10,   30,  60,  300};
const prometheus::Histogram::BucketBoundaries kTokenBuckets = {0.005, 0.01, 0.02, 0.05, 0.1,
                                                               0.2,   0.5,  1,    2.5,  10};

}  // namespace

struct Metrics::Impl {
  prometheus::Registry registry;
  prometheus::Family<prometheus::Counter>& requests =
      prometheus::BuildCounter()
          .Name("maru_http_requests_total")
          .Help("Answered requests by endpoint and status")
          .Register(registry);
  prometheus::Family<prometheus::Histogram>& request_seconds =
      prometheus::BuildHistogram()
          .Name("maru_http_request_duration_seconds")
          .Help("From the first byte of a request to the last of its answer")
          .Register(registry);
  prometheus::Family<prometheus::Counter>& tokens =
      prometheus::BuildCounter()
          .Name("maru_tokens_total")
          .Help("Tokens of finished answers by model and kind (prompt includes cached)")
          .Register(registry);
  prometheus::Counter& clients_left =
      prometheus::BuildCounter()
          .Name("maru_http_clients_left_total")
          .Help("Requests whose client went away before the answer was complete")
          .Register(registry)
          .Add({});
  prometheus::Histogram& first_token = prometheus::BuildHistogram()
                                           .Name("maru_time_to_first_token_seconds")
                                           .Help("From a request's arrival to its first text")
                                           .Register(registry)
                                           .Add({}, kRequestBuckets);
  prometheus::Histogram& next_token = prometheus::BuildHistogram()
                                          .Name("maru_time_between_tokens_seconds")
                                          .Help("Between texts of one answer")
                                          .Register(registry)
                                          .Add({}, kTokenBuckets);
  prometheus::Family<prometheus::Gauge>& engine_requests =
      prometheus::BuildGauge()
          .Name("maru_engine_requests")
          .Help("Requests in the engine by state")
          .Register(registry);
  prometheus::Gauge& waiting = engine_requests.Add({{"state", "waiting"}});
  prometheus::Gauge& running = engine_requests.Add({{"state", "running"}});
  prometheus::Family<prometheus::Gauge>& kv_bytes =
      prometheus::BuildGauge()
          .Name("maru_engine_kv_bytes")
          .Help("Memory of the key-value pages by state")
          .Register(registry);
  prometheus::Gauge& kv_total = kv_bytes.Add({{"state", "total"}});
  prometheus::Gauge& kv_used = kv_bytes.Add({{"state", "used"}});
  prometheus::Gauge& kv_cached = kv_bytes.Add({{"state", "cached"}});
  prometheus::Family<prometheus::Counter>& engine_tokens =
      prometheus::BuildCounter()
          .Name("maru_engine_tokens_total")
          .Help("Tokens by what the engine did with them")
          .Register(registry);
  prometheus::Counter& engine_prompt = engine_tokens.Add({{"kind", "prompt"}});
  prometheus::Counter& engine_cached = engine_tokens.Add({{"kind", "cached"}});
  prometheus::Counter& engine_new = engine_tokens.Add({{"kind", "new"}});
  prometheus::Counter& engine_drafted = engine_tokens.Add({{"kind", "drafted"}});
  prometheus::Counter& engine_accepted = engine_tokens.Add({{"kind", "accepted"}});
  prometheus::Counter& steps = prometheus::BuildCounter()
                                   .Name("maru_engine_steps_total")
                                   .Help("Steps of the engine")
                                   .Register(registry)
                                   .Add({});
  prometheus::Counter& preempted = prometheus::BuildCounter()
                                       .Name("maru_engine_preempted_total")
                                       .Help("Times a running request gave its place up")
                                       .Register(registry)
                                       .Add({});
  prometheus::Gauge& disk_bytes = prometheus::BuildGauge()
                                      .Name("maru_prefix_disk_bytes")
                                      .Help("Disk space of stored prefixes")
                                      .Register(registry)
                                      .Add({});
  prometheus::Family<prometheus::Counter>& disk_pages =
      prometheus::BuildCounter()
          .Name("maru_prefix_disk_pages_total")
          .Help("Pages of prefixes by what became of them on their way to and from the disk")
          .Register(registry);
  prometheus::Counter& disk_written = disk_pages.Add({{"state", "written"}});
  prometheus::Counter& disk_read = disk_pages.Add({{"state", "read"}});
  prometheus::Counter& disk_dropped = disk_pages.Add({{"state", "dropped"}});
  prometheus::Counter& disk_damaged = disk_pages.Add({{"state", "damaged"}});
  std::mutex print_mutex;  // the engine's counters are brought up to date under it
};

Metrics::Metrics() : impl_(std::make_unique<Impl>()) {}
Metrics::~Metrics() = default;

void Metrics::count_request(std::string_view endpoint, int status,
                            std::chrono::microseconds duration) {
  impl_->requests.Add({{"endpoint", std::string(endpoint)}, {"status", std::to_string(status)}})
      .Increment();
  impl_->request_seconds.Add({{"endpoint", std::string(endpoint)}}, kRequestBuckets)
      .Observe(Seconds(duration).count());
}

void Metrics::count_usage(std::string_view model, const engine::Usage& usage) {
  const auto add = [&](const char* kind, uint32_t n) {
    impl_->tokens.Add({{"model", std::string(model)}, {"kind", kind}}).Increment(n);
  };
  add("prompt", usage.prompt_tokens);
  add("cached", usage.cached_tokens);
  add("completion", usage.new_tokens);
}

void Metrics::observe_first_token(std::chrono::microseconds since_arrival) {
  impl_->first_token.Observe(Seconds(since_arrival).count());
}

void Metrics::observe_next_token(std::chrono::microseconds since_last) {
  impl_->next_token.Observe(Seconds(since_last).count());
}

void Metrics::count_client_left() { impl_->clients_left.Increment(); }

std::string Metrics::print(const engine::EngineStats& stats) {
  const std::lock_guard lock(impl_->print_mutex);
  const auto as_double = [](uint64_t n) { return static_cast<double>(n); };
  const auto raise = [&](prometheus::Counter& counter, uint64_t to) {
    const double step = as_double(to) - counter.Value();
    if (step > 0) counter.Increment(step);
  };
  impl_->waiting.Set(as_double(stats.n_waiting));
  impl_->running.Set(as_double(stats.n_running));
  impl_->kv_total.Set(as_double(stats.kv_bytes_total));
  impl_->kv_used.Set(as_double(stats.kv_bytes_used));
  impl_->kv_cached.Set(as_double(stats.kv_bytes_cached));
  raise(impl_->engine_prompt, stats.prompt_tokens);
  raise(impl_->engine_cached, stats.cached_tokens);
  raise(impl_->engine_new, stats.new_tokens);
  raise(impl_->engine_drafted, stats.drafted_tokens);
  raise(impl_->engine_accepted, stats.accepted_tokens);
  raise(impl_->steps, stats.n_steps);
  raise(impl_->preempted, stats.n_preempted);
  impl_->disk_bytes.Set(as_double(stats.disk_bytes));
  raise(impl_->disk_written, stats.disk_pages_written);
  raise(impl_->disk_read, stats.disk_pages_read);
  raise(impl_->disk_dropped, stats.disk_pages_dropped);
  raise(impl_->disk_damaged, stats.disk_pages_damaged);
  return prometheus::TextSerializer().Serialize(impl_->registry.Collect());
}

}  // namespace maru::api
