// One endpoint = one file in src/api/endpoints/ that defines `extern const Endpoint
// endpoint_<file name>`; the table of all is generated.
#pragma once

#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "api/errors.h"
#include "api/metrics.h"
#include "net/server.h"
#include "service/generation.h"

namespace maru::api {

// What every endpoint works with. Shared by all calls; thread-safe.
struct ApiContext {
  std::shared_ptr<service::GenerationService> service;
  Metrics metrics;
  std::chrono::milliseconds heartbeat{2'000};
};

struct Call {
  std::shared_ptr<ApiContext> context;
  net::Request request;
  net::ResponseWriter writer;
  std::string path_argument;  // what stood for "{...}" in the pattern

  void answer(std::string json) const;
  void fail(const ApiError& error) const;
};

enum class Run : uint8_t {
  kInline,  // on the connection's thread: short and never waiting
  kWorker,  // on a worker: parses, renders, tokenises
};

struct Endpoint {
  const char* name;     // for metrics
  const char* method;   // "GET" answers HEAD too
  const char* pattern;  // "/v1/models/{model}": the argument takes the rest of the path
  Run run;
  bool needs_key;
  void (*handle)(const Call& call);
};

std::span<const Endpoint* const> all_endpoints();

struct Match {
  const Endpoint* endpoint = nullptr;  // null: none for this path and method
  std::string path_argument;
  std::string allowed_methods;  // of the path: "GET, POST"; empty if the path is unknown
};
Match find_endpoint(std::string_view method, std::string_view path);

// The model of that name, or of no name if there is but one. Errors: kNotFound.
Result<const service::ServedModel*> find_model(const service::GenerationService& service,
                                               const std::string& name);

}  // namespace maru::api
