// People and their keys, for administrators; auditors may look.
#include "api/account_answers.h"

namespace maru::api {
namespace {

constexpr Access kLook{Who::kAuditor, Scope::kAdmin};
constexpr Access kAct{Who::kAdmin, Scope::kAdmin};

void list_users(const Call& call) {
  answer_with_list(call, call.context->accounts->list_users(), user_json);
}

void show_user(const Call& call) {
  answer_with(call, call.context->accounts->find_user(call.path_arguments[0]), user_json);
}

constexpr FieldSpec kNewFields[] = {{"name", Support::kSupported},
                                    {"display_name", Support::kSupported},
                                    {"role", Support::kSupported},
                                    {"password", Support::kSupported},
                                    {"language", Support::kSupported}};

void add_user(const Call& call) {
  service::NewUser wish;
  const bool read = read_object(call, kNewFields, [&](ObjectReader& body) {
    body.require("name");
    wish.name = body.string("name").value_or("");
    wish.display_name = body.string("display_name").value_or("");
    wish.role = read_role(body).value_or(service::Role::kMember);
    wish.password = body.string("password").value_or("");
    wish.language = body.string("language").value_or("");
  });
  if (!read) return;
  answer_with(call, call.context->accounts->add_user(call.identity.user_id, wish), user_json);
}

constexpr FieldSpec kChangeFields[] = {{"display_name", Support::kSupported},
                                       {"role", Support::kSupported},
                                       {"password", Support::kSupported},
                                       {"language", Support::kSupported},
                                       {"disabled", Support::kSupported}};

void change_user(const Call& call) {
  service::UserChange change;
  const bool read = read_object(call, kChangeFields, [&](ObjectReader& body) {
    change.display_name = body.string("display_name");
    change.role = read_role(body);
    change.password = body.string("password");
    change.language = body.string("language");
    change.disabled = body.boolean("disabled");
  });
  if (!read) return;
  answer_with(
      call,
      call.context->accounts->change_user(call.identity.user_id, call.path_arguments[0], change),
      user_json);
}

void list_keys(const Call& call) {
  answer_with_list(call, call.context->accounts->list_all_keys(), key_json);
}

constexpr FieldSpec kKeyFields[] = {{"user_id", Support::kSupported},
                                    {"name", Support::kSupported},
                                    {"scopes", Support::kSupported},
                                    {"project_id", Support::kSupported},
                                    {"expires_at", Support::kSupported}};

void add_key(const Call& call) {
  service::KeyWish wish;
  std::string user_id;
  const bool read = read_object(call, kKeyFields, [&](ObjectReader& body) {
    body.require("user_id");
    user_id = body.string("user_id").value_or("");
    wish = read_key_wish(body);
  });
  if (!read) return;
  answer_with(call, call.context->accounts->add_key_for(call.identity.user_id, user_id, wish),
              new_key_json);
}

void revoke_key(const Call& call) {
  answer_done(call, call.context->accounts->revoke_key(call.identity.user_id, std::nullopt,
                                                       call.path_arguments[0]));
}

constexpr Endpoint kEndpoints[] = {
    {"admin_users", "GET", "/api/admin/users", Run::kWorker, kLook, list_users},
    {"admin_user_add", "POST", "/api/admin/users", Run::kSlow, kAct, add_user},
    {"admin_user", "GET", "/api/admin/users/{user}", Run::kWorker, kLook, show_user},
    {"admin_user_change", "PATCH", "/api/admin/users/{user}", Run::kSlow, kAct, change_user},
    {"admin_keys", "GET", "/api/admin/keys", Run::kWorker, kLook, list_keys},
    {"admin_key_add", "POST", "/api/admin/keys", Run::kWorker, kAct, add_key},
    {"admin_key_revoke", "DELETE", "/api/admin/keys/{key}", Run::kWorker, kAct, revoke_key},
};

}  // namespace

extern const Resource resource_admin_users;
constinit const Resource resource_admin_users{kEndpoints};

}  // namespace maru::api
