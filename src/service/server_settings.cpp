#include "service/server_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/json.h"
#include "base/log.h"
#include "service/clock.h"
#include "service/in_database.h"
#include "service/setting_json.h"
#include "service/setting_table.h"

namespace maru::service {
namespace {

void log_ignored(const IgnoredSetting& ignored) {
  log_warning("the setting {} of the database is ignored: {} ('maru config unset {}' removes it)",
              ignored.name, ignored.reason, ignored.name);
}

bool is_of_engine(const SettingKey& key) {
  return key.on_page == OnPage::kNextStart &&
         (key.group == SettingGroup::kModels || key.group == SettingGroup::kMemory ||
          key.group == SettingGroup::kSpeed);
}

const store::StoredSetting* find_stored(const std::vector<store::StoredSetting>& rows,
                                        const std::string& name) {
  const auto found = std::ranges::find(rows, name, &store::StoredSetting::name);
  return found == rows.end() ? nullptr : &*found;
}

Json json_of(const store::StoredSetting& row) {
  auto json = parse_json(row.value);
  return json ? *std::move(json) : Json(row.value);
}

}  // namespace

ServerSettings::ServerSettings(std::shared_ptr<AuditLog> log, Config base, ModelNames models)
    : log_(std::move(log)), base_(std::move(base)), models_(std::move(models)), in_force_(base_) {}

Result<std::vector<store::StoredSetting>> ServerSettings::read_stored() const {
  return reading<std::vector<store::StoredSetting>>(
      *log_->database(),
      [](store::Transaction& transaction) { return store::list_settings(transaction); });
}

bool ServerSettings::is_model(const std::string& key, const std::string& model) const {
  const std::vector<std::string> models = models_(key);
  return std::ranges::find(models, model) != models.end();
}

Status ServerSettings::load() {
  MARU_ASSIGN_OR_RETURN(const auto stored, read_stored());
  const std::lock_guard lock(mutex_);
  const auto ignored = in_force_.take_stored(
      stored,
      [this](const std::string& key, const std::string& model) { return is_model(key, model); });
  for (const IgnoredSetting& one : ignored) log_ignored(one);
  return {};
}

bool ServerSettings::put_engine_aside(const Error& error) {
  const std::lock_guard lock(mutex_);
  for (const SettingKey& key : setting_keys()) {
    if (!is_of_engine(key) || in_force_.origin(key.name) != kDatabaseOrigin) continue;
    aside_.push_back({key.name, "the server did not start with it: " + error.message});
    log_ignored(aside_.back());
  }
  in_force_.copy(base_, is_of_engine);
  return !aside_.empty();
}

Config ServerSettings::in_force() const {
  const std::lock_guard lock(mutex_);
  return in_force_;
}

Result<SettingsView> ServerSettings::list() const {
  MARU_ASSIGN_OR_RETURN(const auto stored, read_stored());
  Config next = base_;
  SettingsView view;
  view.ignored = next.take_stored(stored, [this](const std::string& key, const std::string& model) {
    return is_model(key, model);
  });
  const Settings defaults;
  std::map<std::string, std::vector<std::string>>
      models;  // before the lock: they may need the disk
  for (const KeySpec& spec : setting_specs()) {
    if (spec.key.kind == SettingKind::kModel) models[spec.key.name] = models_(spec.key.name);
  }
  const std::lock_guard lock(mutex_);
  for (const IgnoredSetting& one : aside_) {
    if (find_stored(stored, one.name) != nullptr) view.ignored.push_back(one);
  }
  for (const KeySpec& spec : setting_specs()) {
    const std::string name = spec.key.name;
    SettingView row{.key = &spec.key,
                    .value = in_force_.value(name),
                    .default_value = read_setting(spec, defaults),
                    .origin = in_force_.origin(name),
                    .choices = spec.key.choices};
    row.is_editable = spec.key.on_page != OnPage::kShown && base_.origin(name) == kDefaultOrigin;
    if (row.is_editable && models.contains(name)) row.choices = models[name];
    const auto* kept = find_stored(stored, name);
    if (kept != nullptr && spec.key.on_page != OnPage::kShown) {
      row.stored = setting_from_json(json_of(*kept));
    }
    if (next.value(name) != row.value) row.next = next.value(name);
    view.settings.push_back(std::move(row));
  }
  return view;
}

Status ServerSettings::check(const std::string& name, const SettingValue& value) const {
  const auto index = find_setting(name);
  MARU_CHECK(index.has_value());
  const KeySpec& spec = setting_specs()[*index];
  MARU_RETURN_IF_ERROR(check_stored_setting(spec, value));
  if (const std::string& origin = base_.origin(name); origin != kDefaultOrigin) {
    return Error{ErrorCode::kConflict, fmt::format("{} is decided by: {}", name, origin),
                 "change it there, or take it away there", name,
                 Reason{"setting_decided", {{"name", name}, {"origin", origin}}}};
  }
  if (spec.key.kind == SettingKind::kModel && !is_model(name, std::get<std::string>(value))) {
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("{}: the data folder has no such model for it", name),
                 "GET /api/admin/settings lists its choices", name,
                 Reason{"setting_no_model", {{"name", name}}}};
  }
  return {};
}

Status ServerSettings::change(const std::string& actor, const SettingChanges& changes) {
  const std::lock_guard changing(change_mutex_);
  MARU_ASSIGN_OR_RETURN(const auto stored, read_stored());
  for (const auto& [name, value] : changes) {
    // One that only a newer Maru knows can be removed all the same.
    if (!find_setting(name) && (value || find_stored(stored, name) == nullptr)) {
      return Error{ErrorCode::kInvalidArgument, "there is no such setting",
                   "GET /api/admin/settings lists them", name,
                   Reason{"setting_unknown", {{"name", name}}}};
    }
    if (value) MARU_RETURN_IF_ERROR(check(name, *value));
  }
  std::vector<store::StoredSetting> after;
  const auto work = [&](store::Transaction& transaction) -> Result<std::optional<Act>> {
    MARU_ASSIGN_OR_RETURN(const auto before, store::list_settings(transaction));
    Json detail = Json::object();
    std::string names;
    for (const auto& [name, value] : changes) {
      const auto* old = find_stored(before, name);
      const Json from = old == nullptr ? Json() : json_of(*old);
      const Json to = value ? setting_to_json(*value) : Json();
      if (from == to) continue;
      detail[name] = {{"old", from}, {"new", to}};
      names += (names.empty() ? "" : ", ") + name;
      MARU_RETURN_IF_ERROR(
          value ? store::set_setting(transaction, {name, dump_json(to), unix_milliseconds(), actor})
                : store::remove_setting(transaction, name));
    }
    MARU_ASSIGN_OR_RETURN(after, store::list_settings(transaction));
    if (names.empty()) return std::optional<Act>();
    return std::optional<Act>(Act{actor, "setting.change", names, dump_json(detail)});
  };
  MARU_RETURN_IF_ERROR(log_->change(work));
  take_at_once(changes, after);
  return {};
}

void ServerSettings::take_at_once(const SettingChanges& changes,
                                  const std::vector<store::StoredSetting>& stored) {
  Config next = base_;
  next.take_stored(stored, {});
  Settings settings;
  {
    const std::lock_guard lock(mutex_);
    in_force_.copy(next, [](const SettingKey& key) { return key.on_page == OnPage::kAtOnce; });
    std::erase_if(aside_, [&](const IgnoredSetting& one) { return changes.contains(one.name); });
    settings = in_force_.settings();
  }
  apply_(settings);
}

}  // namespace maru::service
