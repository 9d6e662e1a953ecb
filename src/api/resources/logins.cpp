// Logging in and out by name and password, and making the first admin.
#include "api/account_answers.h"
#include "api/credential.h"

namespace maru::api {
namespace {

service::LoginAttempt attempt_of(const Call& call) {
  service::LoginAttempt attempt;
  attempt.remote = call.request.remote_address;
  attempt.user_agent = call.request.header("user-agent");
  return attempt;
}

void answer_login(const Call& call, const Result<service::Login>& login) {
  if (!login) return call.fail(to_api_error(login.error()));
  const Json json{{"user", user_json(login->user)}, {"csrf_token", login->csrf_token}};
  const bool is_secure = call.context->secure_cookies || came_by_https(call.request);
  call.writer.send(
      {200, dump_json(json), "application/json", {session_cookie(login->token, is_secure)}});
}

constexpr FieldSpec kLoginFields[] = {{"name", Support::kSupported},
                                      {"password", Support::kSupported}};

void log_in(const Call& call) {
  service::LoginAttempt attempt = attempt_of(call);
  const bool read = read_object(call, kLoginFields, [&](ObjectReader& body) {
    body.require("name");
    body.require("password");
    attempt.name = body.string("name").value_or("");
    attempt.password = body.string("password").value_or("");
  });
  if (!read) return;
  service::SignIn& sign_in = *call.context->sign_in;
  if (const int64_t wait = sign_in.seconds_to_wait(attempt); wait > 0) {
    return refuse_attempts(call, wait);
  }
  answer_login(call, sign_in.log_in(attempt));
}

void log_out(const Call& call) {
  if (!call.identity.session_id.empty()) {
    const Status ended =
        call.context->sign_in->end_session(call.identity, call.identity.session_id);
    if (!ended) return call.fail(to_api_error(ended.error()));
  }
  const bool is_secure = call.context->secure_cookies || came_by_https(call.request);
  call.writer.send({200, R"({"done":true})", "application/json", {session_cookie("", is_secure)}});
}

constexpr FieldSpec kFirstAdminFields[] = {{"token", Support::kSupported},
                                           {"name", Support::kSupported},
                                           {"display_name", Support::kSupported},
                                           {"password", Support::kSupported},
                                           {"language", Support::kSupported}};

void make_first_admin(const Call& call) {
  service::NewUser admin;
  std::string token;
  const bool read = read_object(call, kFirstAdminFields, [&](ObjectReader& body) {
    for (const char* field : {"name", "password"}) body.require(field);
    token = body.string("token").value_or("");
    admin.name = body.string("name").value_or("");
    admin.display_name = body.string("display_name").value_or("");
    admin.password = body.string("password").value_or("");
    admin.language = body.string("language").value_or("");
  });
  if (!read) return;
  answer_login(call, call.context->sign_in->make_first_admin(token, admin, attempt_of(call)));
}

constexpr Endpoint kEndpoints[] = {
    {"login", "POST", "/api/login", Run::kSlow, kPublic, log_in},
    {"logout", "POST", "/api/logout", Run::kWorker, {Who::kPerson, Scope::kAccount}, log_out},
    {"first_admin", "POST", "/api/first-admin", Run::kSlow, kPublic, make_first_admin},
};

}  // namespace

extern const Resource resource_logins;
constinit const Resource resource_logins{kEndpoints};

}  // namespace maru::api
