#include "service/permissions.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/json.h"
#include "service/accounts.h"
#include "service/audit.h"
#include "service/identity.h"

namespace maru::service {
namespace {

constexpr const char* kFeatureNames[] = {"",           "completions", "chats", "files",
                                         "assistants", "memories",    "shares"};
static_assert(std::size(kFeatureNames) == static_cast<size_t>(Feature::kCount));
constexpr std::string_view kEveryHost = "*";
constexpr std::string_view kBelow = "*.";

bool has(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Names of hosts are the same in either case, and with a dot at the end (RFC 1034, 3.1).
std::string plain_host(std::string_view host) {
  std::string plain;
  for (const char c : host) {
    plain += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  if (plain.ends_with('.')) plain.pop_back();
  return plain;
}

bool is_host(std::string_view host) {
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyz0123456789.-_:";
  return !host.empty() && host.find_first_not_of(kAllowed) == std::string_view::npos;
}

std::string all_features() {
  std::string names;
  for (size_t i = 1; i < std::size(kFeatureNames); ++i) {
    names += (i > 1 ? ", " : "") + std::string(kFeatureNames[i]);
  }
  return names;
}

}  // namespace

const char* feature_name(Feature feature) { return kFeatureNames[static_cast<size_t>(feature)]; }

std::optional<Feature> find_feature(std::string_view name) {
  for (size_t i = 1; i < std::size(kFeatureNames); ++i) {
    if (name == kFeatureNames[i]) return static_cast<Feature>(i);
  }
  return std::nullopt;
}

bool Permissions::may_use_model(std::string_view name) const {
  return !models || has(*models, name);
}

bool Permissions::may_use_feature(Feature feature) const {
  return feature == Feature::kNone || !features || has(*features, feature_name(feature));
}

bool Permissions::may_reach(std::string_view host) const {
  const std::string name = plain_host(host);
  if (!is_host(name)) return false;
  return std::any_of(hosts.begin(), hosts.end(), [&](const std::string& allowed) {
    if (allowed == kEveryHost) return true;
    const std::string pattern = plain_host(allowed);
    if (!pattern.starts_with(kBelow)) return name == pattern;
    const std::string_view ending = std::string_view(pattern).substr(1);
    return name.size() > ending.size() && name.ends_with(ending);
  });
}

Permissions permissions_by(const std::vector<store::Rule>& rules) {
  Permissions permissions;
  const auto add = [](std::optional<std::vector<std::string>>& names, const std::string& name) {
    if (!names) names.emplace();
    names->push_back(name);
  };
  for (const store::Rule& rule : rules) {
    if (rule.kind == "model") add(permissions.models, rule.name);
    if (rule.kind == "feature") add(permissions.features, rule.name);
    if (rule.kind == "egress") permissions.hosts.push_back(rule.name);
  }
  return permissions;
}

Result<Permissions> permissions_of(store::Transaction& transaction, const std::string& user_id) {
  MARU_ASSIGN_OR_RETURN(const std::vector<store::Rule> rules,
                        store::rules_of(transaction, user_id));
  return permissions_by(rules);
}

Status check_rule(const store::Rule& rule) {
  MARU_RETURN_IF_ERROR(check_title(rule.name, "name"));
  if (rule.kind == "model") return {};
  if (rule.kind == "feature") {
    if (find_feature(rule.name)) return {};
    return Error{ErrorCode::kInvalidArgument, "there is no feature '" + rule.name + "'",
                 "there are " + all_features(), "name",
                 Reason{"feature_unknown", {{"name", rule.name}}}};
  }
  if (rule.kind == "egress") {
    const std::string host = plain_host(rule.name);
    const bool is_pattern = host.starts_with(kBelow) && is_host(host.substr(kBelow.size()));
    if (rule.name == kEveryHost || is_pattern || is_host(host)) return {};
    return Error{ErrorCode::kInvalidArgument, "'" + rule.name + "' is no host",
                 "write it as api.example.org, *.example.org or *", "name",
                 Reason{"host_bad", {{"name", rule.name}}}};
  }
  return Error{ErrorCode::kInvalidArgument, "a rule's kind is model, feature or egress", "",
               "kind"};
}

Status allow_egress(AuditLog& log, const Identity& who, const std::string& host,
                    const std::string& purpose) {
  const bool allowed = who.may_reach(host);
  // What is no host's name may be anything, also a secret.
  const std::string name = is_host(plain_host(host)) ? plain_host(host) : "?";
  const std::string actor = who.is_person()      ? who.user_id
                            : who.key_id.empty() ? kLocalActor
                                                 : who.key_id;
  MARU_RETURN_IF_ERROR(log.record({actor, allowed ? "egress" : "egress.refuse", name,
                                   dump_json(Json{{"for", purpose}, {"key", who.key_id}})}));
  if (allowed) return {};
  return Error{ErrorCode::kForbidden, fmt::format("the host '{}' may not be reached", name),
               "an administrator can allow it to a group: maru groups allow GROUP egress:HOST", "",
               Reason{"egress_forbidden", {{"host", name}}}};
}

}  // namespace maru::service
