// Groups with their members and rules, and projects, for administrators; auditors may look.
#include "api/account_answers.h"

namespace maru::api {
namespace {

constexpr Access kLook{Who::kAuditor, Scope::kAdmin};
constexpr Access kAct{Who::kAdmin, Scope::kAdmin};

void list_groups(const Call& call) {
  answer_with_list(call, call.context->accounts->list_groups(), group_json);
}

void show_group(const Call& call) {
  answer_with(call, call.context->accounts->find_group(call.path_arguments[0]), group_json);
}

// The group as it is after a change.
void answer_with_group(const Call& call, const Status& status, const std::string& id) {
  if (!status) return call.fail(to_api_error(status.error()));
  answer_with(call, call.context->accounts->find_group(id), group_json);
}

constexpr FieldSpec kGroupFields[] = {{"name", Support::kSupported}};

void add_group(const Call& call) {
  std::string name;
  const bool read = read_object(call, kGroupFields, [&](ObjectReader& body) {
    body.require("name");
    name = body.string("name").value_or("");
  });
  if (!read) return;
  const auto group = call.context->accounts->add_group(call.identity.user_id, name);
  if (!group) return call.fail(to_api_error(group.error()));
  answer_with_group(call, {}, group->id);
}

void remove_group(const Call& call) {
  answer_done(call,
              call.context->accounts->remove_group(call.identity.user_id, call.path_arguments[0]));
}

void add_member(const Call& call) {
  const auto& ids = call.path_arguments;
  answer_with_group(call, call.context->accounts->add_member(call.identity.user_id, ids[0], ids[1]),
                    ids[0]);
}

void remove_member(const Call& call) {
  const auto& ids = call.path_arguments;
  answer_with_group(
      call, call.context->accounts->remove_member(call.identity.user_id, ids[0], ids[1]), ids[0]);
}

void add_rule(const Call& call) {
  const auto& parts = call.path_arguments;
  answer_with_group(
      call, call.context->accounts->add_rule(call.identity.user_id, parts[0], {parts[1], parts[2]}),
      parts[0]);
}

void remove_rule(const Call& call) {
  const auto& parts = call.path_arguments;
  answer_with_group(
      call,
      call.context->accounts->remove_rule(call.identity.user_id, parts[0], {parts[1], parts[2]}),
      parts[0]);
}

void list_projects(const Call& call) {
  answer_with_list(call, call.context->accounts->list_projects(), project_json);
}

constexpr FieldSpec kProjectFields[] = {{"name", Support::kSupported},
                                        {"owner_group_id", Support::kSupported}};

void add_project(const Call& call) {
  std::string name, group;
  const bool read = read_object(call, kProjectFields, [&](ObjectReader& body) {
    body.require("name");
    name = body.string("name").value_or("");
    group = body.string("owner_group_id").value_or("");
  });
  if (!read) return;
  answer_with(call, call.context->accounts->add_project(call.identity.user_id, name, group),
              project_json);
}

constexpr FieldSpec kProjectChangeFields[] = {{"name", Support::kSupported},
                                              {"owner_group_id", Support::kSupported},
                                              {"archived", Support::kSupported}};

void change_project(const Call& call) {
  service::ProjectChange change;
  const bool read = read_object(call, kProjectChangeFields, [&](ObjectReader& body) {
    change.name = body.string("name");
    change.owner_group_id = body.string("owner_group_id");
    change.archived = body.boolean("archived");
  });
  if (!read) return;
  answer_with(
      call,
      call.context->accounts->change_project(call.identity.user_id, call.path_arguments[0], change),
      project_json);
}

constexpr const char* kMember = "/api/admin/groups/{group}/members/{user}";
constexpr const char* kRule = "/api/admin/groups/{group}/rules/{kind}/{name...}";

constexpr Endpoint kEndpoints[] = {
    {"admin_groups", "GET", "/api/admin/groups", Run::kWorker, kLook, list_groups},
    {"admin_group_add", "POST", "/api/admin/groups", Run::kWorker, kAct, add_group},
    {"admin_group", "GET", "/api/admin/groups/{group}", Run::kWorker, kLook, show_group},
    {"admin_group_remove", "DELETE", "/api/admin/groups/{group}", Run::kWorker, kAct, remove_group},
    {"admin_member_add", "PUT", kMember, Run::kWorker, kAct, add_member},
    {"admin_member_remove", "DELETE", kMember, Run::kWorker, kAct, remove_member},
    {"admin_rule_add", "PUT", kRule, Run::kWorker, kAct, add_rule},
    {"admin_rule_remove", "DELETE", kRule, Run::kWorker, kAct, remove_rule},
    {"admin_projects", "GET", "/api/admin/projects", Run::kWorker, kLook, list_projects},
    {"admin_project_add", "POST", "/api/admin/projects", Run::kWorker, kAct, add_project},
    {"admin_project_change", "PATCH", "/api/admin/projects/{project}", Run::kWorker, kAct,
     change_project},
};

}  // namespace

extern const Resource resource_admin_groups;
constinit const Resource resource_admin_groups{kEndpoints};

}  // namespace maru::api
