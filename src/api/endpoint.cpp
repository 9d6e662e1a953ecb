#include "api/endpoint.h"

#include <utility>

namespace maru::api {

extern const Endpoint* const endpoint_table[];
extern const unsigned long endpoint_table_size;

void Call::answer(std::string json) const {
  writer.send({200, std::move(json), "application/json", {}});
}

void Call::fail(const ApiError& error) const { writer.send(error_response(error)); }

std::span<const Endpoint* const> all_endpoints() { return {endpoint_table, endpoint_table_size}; }

namespace {

bool matches(std::string_view pattern, std::string_view path, std::string& argument) {
  const size_t brace = pattern.find('{');
  if (brace == std::string_view::npos) return pattern == path;
  if (!path.starts_with(pattern.substr(0, brace)) || path.size() == brace) return false;
  argument = std::string(path.substr(brace));
  return true;
}

}  // namespace

Match find_endpoint(std::string_view method, std::string_view path) {
  Match match;
  for (const Endpoint* endpoint : all_endpoints()) {
    std::string argument;
    if (!matches(endpoint->pattern, path, argument)) continue;
    if (!match.allowed_methods.empty()) match.allowed_methods += ", ";
    match.allowed_methods += endpoint->method;
    if (method == endpoint->method ||
        (method == "HEAD" && std::string_view(endpoint->method) == "GET")) {
      match.endpoint = endpoint;
      match.path_argument = std::move(argument);
    }
  }
  return match;
}

Result<const service::ServedModel*> find_model(const service::GenerationService& service,
                                               const std::string& name) {
  if (name.empty() && service.models().size() == 1) return &service.models().front();
  if (const service::ServedModel* model = service.find_model(name)) return model;
  Error error{ErrorCode::kNotFound, "the model '" + name + "' is not served here",
              "GET /v1/models lists what is", "model"};
  return error;
}

}  // namespace maru::api
