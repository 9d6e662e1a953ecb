#include "service/config.h"

#include <fmt/format.h>

#include <cstdlib>

#include "base/check.h"
#include "base/files.h"
#include "base/json.h"
#include "service/model_settings.h"
#include "service/setting_json.h"
#include "service/setting_table.h"

namespace maru::service {
namespace {

constexpr size_t kMaxConfigBytes = size_t{1} << 20;

std::string known_keys() {
  std::string names;
  for (const SettingKey& key : setting_keys()) {
    if (!names.empty()) names += ", ";
    names += key.name;
  }
  return names;
}

std::optional<std::string> process_environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr) return std::nullopt;
  return std::string(value);
}

SettingValue parse_stored(const std::string& text) {
  const auto json = parse_json(text);
  return json ? setting_from_json(*json) : SettingValue();
}

}  // namespace

struct ConfigLoader {
  const ConfigSources& sources;
  Config config = {};

  std::optional<std::string> environment(const std::string& name) const {
    return sources.environment ? sources.environment(name) : process_environment(name);
  }

  Status set(size_t index, const TomlValue& value, const std::string& origin) {
    MARU_RETURN_IF_ERROR(store_setting(setting_specs()[index], value, origin, config.settings_));
    config.origins_[index] = origin;
    return {};
  }

  Status set_text(size_t index, const std::string& text, const std::string& origin) {
    MARU_ASSIGN_OR_RETURN(const SettingValue value,
                          parse_setting(setting_specs()[index], text, origin));
    return set(index, value, origin);
  }

  Status read_one_file(const std::string& path) {
    MARU_ASSIGN_OR_RETURN(const std::string text, read_file(path, kMaxConfigBytes));
    MARU_ASSIGN_OR_RETURN(const std::vector<TomlEntry> entries, parse_toml(text, path));
    config.file_ = path;
    for (const TomlEntry& entry : entries) {
      const std::string origin = fmt::format("file {}:{}", path, entry.line);
      const bool is_table = std::holds_alternative<std::monostate>(entry.value);
      if (entry.tables.empty() && entry.key == "models" && is_table) continue;
      if (!entry.tables.empty() && entry.tables.front() == "models") {
        MARU_RETURN_IF_ERROR(store_model_setting(entry, origin, config.settings_.models));
        continue;
      }
      const auto index = entry.tables.empty() ? find_setting(entry.key) : std::nullopt;
      if (!index) {
        const std::string& key = entry.tables.empty() ? entry.key : entry.tables.front();
        return Error{ErrorCode::kInvalidArgument,
                     fmt::format("{}: unknown key \"{}\"", origin, key),
                     "known keys: " + known_keys() + ", and tables [models.NAME]", key};
      }
      MARU_RETURN_IF_ERROR(set(*index, entry.value, origin));
    }
    return check_model_settings(config.settings_.models, path);
  }

  Status read_files() {
    if (!sources.file.empty()) return read_one_file(sources.file);
    if (const auto path = environment("MARU_CONFIG"); path && !path->empty()) {
      return read_one_file(*path);
    }
    for (const std::string& path : {std::string("maru.toml"), data_folder() + "/maru.toml"}) {
      auto status = read_one_file(path);
      if (status || status.error().code != ErrorCode::kNotFound) return status;
    }
    return {};
  }

  Result<Config> load() {
    config.origins_.assign(setting_specs().size(), kDefaultOrigin);
    MARU_RETURN_IF_ERROR(read_files());
    for (size_t i = 0; i < setting_specs().size(); ++i) {
      const std::string name = setting_environment(setting_specs()[i].key.name);
      if (const auto text = environment(name)) {
        MARU_RETURN_IF_ERROR(set_text(i, *text, "environment " + name));
      }
    }
    for (const auto& [name, text] : sources.flags) {
      const auto index = find_setting(name);
      MARU_CHECK(index.has_value());
      MARU_RETURN_IF_ERROR(set_text(*index, text, "flag " + setting_flag(name)));
    }
    return std::move(config);
  }
};

Result<Config> Config::load(const ConfigSources& sources) { return ConfigLoader{sources}.load(); }

std::vector<IgnoredSetting> Config::take_stored(const std::vector<store::StoredSetting>& stored,
                                                const IsModel& is_model) {
  std::vector<IgnoredSetting> ignored;
  for (const store::StoredSetting& row : stored) {
    const auto index = find_setting(row.name);
    if (!index) {
      ignored.push_back({row.name, "there is no such setting"});
      continue;
    }
    const KeySpec& spec = setting_specs()[*index];
    const SettingValue value = parse_stored(row.value);
    Status valid = check_stored_setting(spec, value);
    if (valid && is_model && spec.key.kind == SettingKind::kModel &&
        !is_model(row.name, std::get<std::string>(value))) {
      valid = Error{ErrorCode::kNotFound, fmt::format("{}: there is no such model", row.name)};
    }
    if (!valid) {
      ignored.push_back({row.name, valid.error().message});
    } else if (origins_[*index] == kDefaultOrigin || origins_[*index] == kDatabaseOrigin) {
      MARU_CHECK(store_setting(spec, value, "", settings_).has_value());
      origins_[*index] = kDatabaseOrigin;
    }
  }
  return ignored;
}

void Config::copy(const Config& other, const std::function<bool(const SettingKey&)>& which) {
  for (size_t i = 0; i < setting_specs().size(); ++i) {
    const KeySpec& spec = setting_specs()[i];
    if (!which(spec.key)) continue;
    std::visit([&](auto member) { settings_.*member = other.settings_.*member; }, spec.member);
    origins_[i] = other.origins_[i];
  }
}

std::vector<SettingRow> Config::rows() const {
  std::vector<SettingRow> rows;
  for (size_t i = 0; i < setting_specs().size(); ++i) {
    const KeySpec& spec = setting_specs()[i];
    rows.push_back({spec.key.name, print_setting(read_setting(spec, settings_)), origins_[i]});
  }
  for (auto& [name, value] : shown_model_settings(settings_.models)) {
    rows.push_back({std::move(name), std::move(value), "file " + file_});
  }
  return rows;
}

SettingValue Config::value(const std::string& name) const {
  const auto index = find_setting(name);
  MARU_CHECK(index.has_value());
  return read_setting(setting_specs()[*index], settings_);
}

const std::string& Config::origin(const std::string& name) const {
  const auto index = find_setting(name);
  MARU_CHECK(index.has_value());
  return origins_[*index];
}

std::string database_location(const Settings& settings) {
  return settings.database_url.empty() ? data_folder() + "/maru.db" : settings.database_url;
}

}  // namespace maru::service
