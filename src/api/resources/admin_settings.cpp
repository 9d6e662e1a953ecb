// Settings of the server, for administrators; auditors may look.
#include "api/account_answers.h"
#include "api/credential.h"
#include "api/wire/body.h"
#include "service/server_settings.h"
#include "service/setting_json.h"

namespace maru::api {
namespace {

constexpr Access kLook{Who::kAuditor, Scope::kAdmin};
constexpr Access kAct{Who::kAdmin, Scope::kAdmin};
constexpr size_t kMaxNameBytes = 64;

const char* type_name(service::SettingKind kind) {
  switch (kind) {
    case service::SettingKind::kNumber: return "number";
    case service::SettingKind::kText: return "text";
    case service::SettingKind::kChoice: return "choice";
    case service::SettingKind::kModel: return "model";
    case service::SettingKind::kList: return "list";
  }
  return "text";
}

const char* group_name(service::SettingGroup group) {
  switch (group) {
    case service::SettingGroup::kModels: return "models";
    case service::SettingGroup::kMemory: return "memory";
    case service::SettingGroup::kSpeed: return "speed";
    case service::SettingGroup::kSecurity: return "security";
    case service::SettingGroup::kPrices: return "prices";
    case service::SettingGroup::kServer: return "server";
  }
  return "server";
}

Json optional_json(const std::optional<service::SettingValue>& value) {
  return value ? service::setting_to_json(*value) : Json();
}

Json setting_json(const service::SettingView& row) {
  const service::SettingKey& key = *row.key;
  const bool is_number = key.kind == service::SettingKind::kNumber;
  const bool is_at_once = key.on_page == service::OnPage::kAtOnce;
  return {{"name", key.name},
          {"group", group_name(key.group)},
          {"type", type_name(key.kind)},
          {"value", service::setting_to_json(row.value)},
          {"default", service::setting_to_json(row.default_value)},
          {"origin", row.origin},
          {"min", is_number ? Json(key.min) : Json()},
          {"max", is_number ? Json(service::most_stored(key)) : Json()},
          {"choices", row.choices},
          {"secret", key.is_secret},
          {"file_only", key.on_page == service::OnPage::kShown},
          {"editable", row.is_editable},
          {"takes_effect", is_at_once ? "at_once" : "next_start"},
          {"stored", optional_json(row.stored)},
          {"next", optional_json(row.next)}};
}

void answer_with_settings(const Call& call) {
  answer_with(call, call.context->settings->list(), [](const service::SettingsView& view) -> Json {
    Json data = Json::array(), ignored = Json::array();
    for (const auto& row : view.settings) data.push_back(setting_json(row));
    for (const auto& one : view.ignored) {
      ignored.push_back({{"name", one.name}, {"reason", one.reason}});
    }
    return {{"data", std::move(data)}, {"ignored", std::move(ignored)}};
  });
}

// False after an answer: this server's settings come from nowhere.
bool has_settings(const Call& call) {
  if (call.context->settings) return true;
  call.fail(to_api_error(Error{ErrorCode::kUnavailable, "this server has no settings", "", "",
                               Reason{"settings_off"}}));
  return false;
}

void list_settings(const Call& call) {
  if (has_settings(call)) answer_with_settings(call);
}

Result<service::SettingChanges> read_changes(const Call& call) {
  MARU_ASSIGN_OR_RETURN(const Json body, parse_body(call.request.body));
  service::SettingChanges changes;
  for (const auto& [name, value] : body.items()) {
    if (name.size() > kMaxNameBytes || changes.size() == service::setting_keys().size()) {
      return Error{ErrorCode::kInvalidArgument, "there is no such setting",
                   "GET /api/admin/settings lists them", "",
                   Reason{"setting_unknown", {{"name", name}}}};
    }
    auto& change = changes[name];
    if (!value.is_null()) change = service::setting_from_json(value);
  }
  return changes;
}

void change_settings(const Call& call) {
  if (!has_settings(call)) return;
  const auto changes = read_changes(call);
  if (!changes) return call.fail(to_api_error(changes.error()));
  const Status changed = call.context->settings->change(call.identity.user_id, *changes);
  if (!changed) return call.fail(to_api_error(changed.error()));
  answer_with_settings(call);
}

constexpr Endpoint kEndpoints[] = {
    {"admin_settings", "GET", "/api/admin/settings", Run::kWorker, kLook, list_settings},
    {"admin_settings_change", "PATCH", "/api/admin/settings", Run::kWorker, kAct, change_settings},
};

}  // namespace

extern const Resource resource_admin_settings;
constinit const Resource resource_admin_settings{kEndpoints};

}  // namespace maru::api
