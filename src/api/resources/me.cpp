// One's own account: profile, password, API keys and sessions. Nothing of others is found here.
#include <algorithm>

#include "api/account_answers.h"
#include "api/credential.h"

namespace maru::api {
namespace {

constexpr Access kOwn{Who::kPerson, Scope::kAccount};

// Also for those who are let in without an account: {"user": null}.
void show_me(const Call& call) {
  Json json{{"user", nullptr}, {"scopes", call.identity.scopes.list()}, {"groups", Json::array()}};
  json["currency"] = call.context->usage ? Json(call.context->usage->currency()) : Json(nullptr);
  if (call.identity.is_person()) {
    const auto user = call.context->accounts->find_user(call.identity.user_id);
    if (!user) return call.fail(to_api_error(user.error()));
    json["user"] = user_json(*user);
    const auto groups = call.context->accounts->list_groups();
    if (!groups) return call.fail(to_api_error(groups.error()));
    for (const service::GroupView& view : *groups) {
      const service::Group& group = view.group;
      const auto& own = call.identity.group_ids;
      if (std::find(own.begin(), own.end(), group.id) == own.end()) continue;
      json["groups"].push_back({{"id", group.id}, {"name", group.name}});
    }
  }
  if (!call.identity.session_id.empty()) {
    const auto credential = read_credential(call.request);
    if (credential) {
      json["csrf_token"] = service::SignIn::csrf_token(credential->session_token);
    }
  }
  call.answer(dump_json(json));
}

constexpr FieldSpec kProfileFields[] = {{"display_name", Support::kSupported},
                                        {"language", Support::kSupported}};

void change_me(const Call& call) {
  service::UserChange change;
  const bool read = read_object(call, kProfileFields, [&](ObjectReader& body) {
    change.display_name = body.string("display_name");
    change.language = body.string("language");
  });
  if (!read) return;
  const std::string& me = call.identity.user_id;
  answer_with(call, call.context->accounts->change_user(me, me, change), user_json);
}

constexpr FieldSpec kPasswordFields[] = {{"current_password", Support::kSupported},
                                         {"password", Support::kSupported}};

void change_password(const Call& call) {
  service::LoginAttempt attempt;
  attempt.remote = call.request.remote_address;
  std::string wanted;
  const bool read = read_object(call, kPasswordFields, [&](ObjectReader& body) {
    body.require("current_password");
    body.require("password");
    attempt.password = body.string("current_password").value_or("");
    wanted = body.string("password").value_or("");
  });
  if (!read) return;
  const auto user = call.context->accounts->find_user(call.identity.user_id);
  if (!user) return call.fail(to_api_error(user.error()));
  attempt.name = user->name;
  service::SignIn& sign_in = *call.context->sign_in;
  if (const int64_t wait = sign_in.seconds_to_wait(attempt); wait > 0) {
    return refuse_attempts(call, wait);
  }
  answer_done(call, sign_in.change_password(call.identity, attempt, wanted));
}

void list_keys(const Call& call) {
  answer_with_list(call, call.context->accounts->list_keys_of(call.identity.user_id), key_json);
}

void list_projects(const Call& call) {
  answer_with_list(call, call.context->accounts->list_projects_of(call.identity.user_id),
                   project_json);
}

constexpr FieldSpec kKeyFields[] = {{"name", Support::kSupported},
                                    {"scopes", Support::kSupported},
                                    {"project_id", Support::kSupported},
                                    {"expires_at", Support::kSupported}};

void add_key(const Call& call) {
  service::KeyWish wish;
  if (!read_object(call, kKeyFields, [&](ObjectReader& body) { wish = read_key_wish(body); })) {
    return;
  }
  answer_with(call, call.context->accounts->add_key(call.identity, wish), new_key_json);
}

void rotate_key(const Call& call) {
  answer_with(call, call.context->accounts->rotate_key(call.identity, call.path_arguments[0]),
              new_key_json);
}

void revoke_key(const Call& call) {
  const std::string& me = call.identity.user_id;
  answer_done(call, call.context->accounts->revoke_key(me, me, call.path_arguments[0]));
}

void list_sessions(const Call& call) {
  answer_with_list(call, call.context->sign_in->list_sessions(call.identity.user_id),
                   [&](const service::Session& session) {
                     return session_json(session, call.identity.session_id);
                   });
}

void end_session(const Call& call) {
  answer_done(call, call.context->sign_in->end_session(call.identity, call.path_arguments[0]));
}

void end_other_sessions(const Call& call) {
  answer_done(call, call.context->sign_in->end_other_sessions(call.identity));
}

constexpr Endpoint kEndpoints[] = {
    {"me", "GET", "/api/me", Run::kWorker, {Who::kCaller, Scope::kAccount}, show_me},
    {"me_change", "PATCH", "/api/me", Run::kWorker, kOwn, change_me},
    {"me_password", "POST", "/api/me/password", Run::kSlow, kOwn, change_password},
    {"me_keys", "GET", "/api/me/keys", Run::kWorker, kOwn, list_keys},
    {"me_key_add", "POST", "/api/me/keys", Run::kWorker, kOwn, add_key},
    {"me_key_rotate", "POST", "/api/me/keys/{key}/rotate", Run::kWorker, kOwn, rotate_key},
    {"me_key_revoke", "DELETE", "/api/me/keys/{key}", Run::kWorker, kOwn, revoke_key},
    {"me_projects", "GET", "/api/me/projects", Run::kWorker, kOwn, list_projects},
    {"me_sessions", "GET", "/api/me/sessions", Run::kWorker, kOwn, list_sessions},
    {"me_sessions_end", "DELETE", "/api/me/sessions", Run::kWorker, kOwn, end_other_sessions},
    {"me_session_end", "DELETE", "/api/me/sessions/{session}", Run::kWorker, kOwn, end_session},
};

}  // namespace

extern const Resource resource_me;
constinit const Resource resource_me{kEndpoints};

}  // namespace maru::api
