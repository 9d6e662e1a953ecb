#include "api/account_answers.h"

#include <limits>

#include "api/wire/body.h"

namespace maru::api {
namespace {

Json optional_json(const std::optional<int64_t>& time) {
  return time ? Json(*time) : Json(nullptr);
}
Json optional_json(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

}  // namespace

Json user_json(const service::User& user) {
  return {{"id", user.id},
          {"name", user.name},
          {"display_name", user.display_name},
          {"role", user.role},
          {"language", optional_json(user.language)},
          {"has_password", !user.password_hash.empty()},
          {"created_at", user.created_at},
          {"disabled_at", optional_json(user.disabled_at)}};
}

Json group_json(const service::GroupView& group) {
  Json members = Json::array(), rules = Json::array();
  for (const auto& member : group.members) {
    members.push_back({{"id", member.user_id}, {"name", member.name}});
  }
  for (const auto& rule : group.rules) rules.push_back({{"kind", rule.kind}, {"name", rule.name}});
  return {{"id", group.group.id},
          {"name", group.group.name},
          {"created_at", group.group.created_at},
          {"members", std::move(members)},
          {"rules", std::move(rules)}};
}

Json project_json(const service::Project& project) {
  return {{"id", project.id},
          {"name", project.name},
          {"owner_group_id", optional_json(project.owner_group_id)},
          {"created_at", project.created_at},
          {"archived_at", optional_json(project.archived_at)}};
}

Json key_json(const service::ApiKey& key) {
  const auto scopes = service::Scopes::parse(key.scopes);
  return {{"id", key.id},
          {"user_id", key.user_id},
          {"project_id", optional_json(key.project_id)},
          {"name", key.name},
          {"prefix", key.prefix},
          {"scopes", scopes ? scopes->list() : std::vector<std::string>()},
          {"created_at", key.created_at},
          {"expires_at", optional_json(key.expires_at)},
          {"last_used_at", optional_json(key.last_used_at)},
          {"revoked_at", optional_json(key.revoked_at)}};
}

Json new_key_json(const service::NewKey& made) {
  Json json = key_json(made.key);
  json["key"] = made.secret;
  return json;
}

Json session_json(const service::Session& session, const std::string& current) {
  return {{"id", session.id},
          {"created_at", session.created_at},
          {"last_seen_at", session.last_seen_at},
          {"expires_at", session.expires_at},
          {"remote", session.remote},
          {"user_agent", session.user_agent},
          {"is_current", session.id == current}};
}

bool read_object(const Call& call, std::span<const FieldSpec> fields,
                 const std::function<void(ObjectReader&)>& read) {
  const auto json = parse_body(call.request.body);
  if (!json) {
    call.fail(to_api_error(json.error()));
    return false;
  }
  Problems problems;
  ObjectReader body(*json, "", problems);
  body.check_fields(fields);
  if (!problems.any()) read(body);
  if (problems.any()) call.fail(problems.first());
  return !problems.any();
}

service::KeyWish read_key_wish(ObjectReader& body) {
  service::KeyWish wish;
  body.require("name");
  wish.name = body.string("name").value_or("");
  wish.project_id = body.string("project_id").value_or("");
  wish.expires_at = body.integer("expires_at", 1, std::numeric_limits<int64_t>::max());
  if (const Json* scopes = body.array("scopes")) {
    wish.scopes = {};
    for (const Json& name : *scopes) {
      const auto scope = name.is_string() ? service::find_scope(name.get<std::string>())
                                          : std::optional<service::Scope>();
      if (scope) {
        wish.scopes.add(*scope);
      } else {
        body.wrong_value("scopes", "'scopes' holds one that there is not; there are: " +
                                       service::Scopes::all().names());
      }
    }
  }
  return wish;
}

std::optional<service::Role> read_role(ObjectReader& body) {
  const auto name = body.string("role");
  if (!name) return std::nullopt;
  const auto role = service::find_role(*name);
  if (!role) body.wrong_value("role", "'role' must be member, auditor or admin");
  return role;
}

void refuse_attempts(const Call& call, int64_t seconds) {
  ApiError error = to_api_error(Error{ErrorCode::kRateLimited, "too many logins have failed",
                                      "wait before trying again", "",
                                      Reason{"too_many_logins", {{"seconds", seconds}}}});
  error.retry_after_seconds = static_cast<int>(seconds);
  call.fail(error);
}

void answer_done(const Call& call, const Status& status) {
  if (!status) return call.fail(to_api_error(status.error()));
  call.answer(R"({"done":true})");
}

}  // namespace maru::api
