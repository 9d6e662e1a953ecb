#include "api/endpoint.h"

#include <utility>

namespace maru::api {

extern const Endpoint* const endpoint_table[];
extern const unsigned long endpoint_table_size;
extern const Resource* const resource_table[];
extern const unsigned long resource_table_size;

void Call::answer(std::string json) const {
  writer.send({200, std::move(json), "application/json", {}});
}

void Call::fail(const ApiError& error) const {
  const Shape shape = shape_for(request.path);
  if (!streams) return writer.send(error_response(error, shape));
  writer.write("data: " + error_json(error, shape) + "\n\n");
  writer.end();
}

std::span<const Endpoint* const> all_endpoints() {
  static const std::vector<const Endpoint*> all = [] {
    std::vector<const Endpoint*> list(endpoint_table, endpoint_table + endpoint_table_size);
    for (const Resource* resource : std::span(resource_table, resource_table_size)) {
      for (const Endpoint& endpoint : resource->endpoints) list.push_back(&endpoint);
    }
    return list;
  }();
  return all;
}

namespace {

bool matches(std::string_view pattern, std::string_view path, std::vector<std::string>& arguments) {
  while (true) {
    const size_t brace = pattern.find('{');
    if (brace == std::string_view::npos) return pattern == path;
    if (!path.starts_with(pattern.substr(0, brace))) return false;
    path.remove_prefix(brace);
    pattern.remove_prefix(brace);
    const size_t close = pattern.find('}');
    const bool takes_rest = pattern.substr(0, close).ends_with("...");
    // What stands behind the rest is its end.
    const std::string_view behind = pattern.substr(close + 1);
    if (takes_rest && !path.ends_with(behind)) return false;
    const size_t end =
        takes_rest ? path.size() - behind.size() : std::min(path.find('/'), path.size());
    if (end == 0) return false;
    arguments.emplace_back(path.substr(0, end));
    path.remove_prefix(end);
    pattern.remove_prefix(close + 1);
  }
}

size_t fixed_characters(std::string_view pattern) {
  size_t fixed = 0;
  bool inside = false;
  for (const char c : pattern) {
    inside = inside ? c != '}' : c == '{';
    fixed += !inside && c != '}';
  }
  return fixed;
}

}  // namespace

// Of several patterns that match the one that fixes most counts: ".../{model...}/card" before
// "{model...}", "prices/speeds" before "prices/{price}".
Match find_endpoint(std::string_view method, std::string_view path) {
  Match match;
  size_t most = 0;
  for (const Endpoint* endpoint : all_endpoints()) {
    std::vector<std::string> arguments;
    if (!matches(endpoint->pattern, path, arguments)) continue;
    const size_t fixed = fixed_characters(endpoint->pattern);
    if (fixed < most) continue;
    if (fixed > most) match = {};
    most = fixed;
    if (!match.allowed_methods.empty()) match.allowed_methods += ", ";
    match.allowed_methods += endpoint->method;
    if (method == endpoint->method ||
        (method == "HEAD" && std::string_view(endpoint->method) == "GET")) {
      match.endpoint = endpoint;
      match.path_arguments = std::move(arguments);
    }
  }
  return match;
}

Status check_access(const Access& access, const service::Identity& identity) {
  if (access.who == Who::kAll) return {};
  if (access.who != Who::kCaller && identity.is_anonymous()) {
    if (access.before_accounts) return {};
    return Error{ErrorCode::kUnauthenticated, "nobody is logged in", "log in to an account first",
                 "", Reason{"not_logged_in"}};
  }
  if (!identity.scopes.has(access.scope)) {
    return Error{ErrorCode::kForbidden,
                 std::string("the API key lacks the scope '") + scope_name(access.scope) + "'",
                 "use a key that has it", "",
                 Reason{"scope_missing", {{"scope", scope_name(access.scope)}}}};
  }
  if (!identity.may_use_feature(access.feature)) {
    return Error{
        ErrorCode::kForbidden,
        std::string("no group of this account may use '") + service::feature_name(access.feature) +
            "'",
        "ask an administrator", "",
        Reason{"feature_not_allowed", {{"feature", service::feature_name(access.feature)}}}};
  }
  if (access.who == Who::kCaller) return {};
  const service::Role wanted = access.who == Who::kAdmin     ? service::Role::kAdmin
                               : access.who == Who::kAuditor ? service::Role::kAuditor
                                                             : service::Role::kMember;
  if (!identity.is_person() || identity.role < wanted) {
    return Error{ErrorCode::kForbidden, "this account may not do that", "ask an administrator", "",
                 Reason{"role_missing"}};
  }
  return {};
}

Result<std::string> find_model(const Call& call, const std::string& name) {
  const auto found = call.context->service->models().resolve(name);
  if (found && call.identity.may_use_model(*found)) return *found;
  return Error{ErrorCode::kNotFound, "the model '" + name + "' is not served here",
               "GET /v1/models lists what is", "model", Reason{"model_unknown", {{"model", name}}}};
}

}  // namespace maru::api
