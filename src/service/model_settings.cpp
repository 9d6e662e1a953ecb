#include "service/model_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace maru::service {
namespace {

constexpr int64_t kMaxContext = int64_t{1} << 24;
constexpr int64_t kMaxMinutes = 60 * 24 * 365;
constexpr const char* kHint =
    "a table [models.NAME] takes path, alias (a text or a list of texts), pinned, context and "
    "idle_minutes; a NAME with a point needs quotes: [models.\"Qwen2.5-7B\"]";

Error bad(const std::string& origin, const std::string& key, const std::string& what) {
  return {ErrorCode::kInvalidArgument, fmt::format("{}: {} {}", origin, key, what), kHint, key};
}

Result<uint32_t> whole_number(const TomlValue& value, int64_t most, const std::string& origin,
                              const std::string& key) {
  const auto* number = std::get_if<int64_t>(&value);
  if (number == nullptr) return bad(origin, key, "must be a whole number");
  if (*number < 0 || *number > most) {
    return bad(origin, key, fmt::format("must be 0 to {}, not {}", most, *number));
  }
  return static_cast<uint32_t>(*number);
}

Status store_aliases(const TomlValue& value, const std::string& origin, const std::string& key,
                     ModelSettings& model) {
  if (const auto* text = std::get_if<std::string>(&value)) {
    model.aliases = {*text};
  } else if (const auto* list = std::get_if<std::vector<std::string>>(&value)) {
    model.aliases = *list;
  } else {
    return bad(origin, key, "must be a text or a list of texts");
  }
  if (std::find(model.aliases.begin(), model.aliases.end(), "") != model.aliases.end()) {
    return bad(origin, key, "holds an empty text");
  }
  return {};
}

std::string quoted(const std::string& text) { return '"' + text + '"'; }

}  // namespace

Status store_model_setting(const TomlEntry& entry, const std::string& origin,
                           std::vector<ModelSettings>& models) {
  const std::string key = fmt::format("{}.{}", fmt::join(entry.tables, "."), entry.key);
  const bool is_table = std::holds_alternative<std::monostate>(entry.value);
  const bool begins = entry.tables.size() == 1 && is_table;
  if (entry.tables.size() != 2 && !begins) return bad(origin, key, "is unknown");
  const std::string& name = begins ? entry.key : entry.tables[1];
  auto found = std::find_if(models.begin(), models.end(),
                            [&](const ModelSettings& model) { return model.name == name; });
  if (found == models.end()) {
    ModelSettings fresh;
    fresh.name = name;
    found = models.insert(found, std::move(fresh));
  }
  if (begins) return {};
  ModelSettings& model = *found;
  if (entry.key == "alias") return store_aliases(entry.value, origin, key, model);
  if (entry.key == "path") {
    const auto* text = std::get_if<std::string>(&entry.value);
    if (text == nullptr || text->empty()) return bad(origin, key, "must be a text");
    model.path = *text;
  } else if (entry.key == "pinned") {
    const auto* truth = std::get_if<bool>(&entry.value);
    if (truth == nullptr) return bad(origin, key, "must be true or false");
    model.is_pinned = *truth;
  } else if (entry.key == "context") {
    MARU_ASSIGN_OR_RETURN(model.context, whole_number(entry.value, kMaxContext, origin, key));
  } else if (entry.key == "idle_minutes") {
    MARU_ASSIGN_OR_RETURN(model.idle_minutes, whole_number(entry.value, kMaxMinutes, origin, key));
  } else {
    return bad(origin, key, "is unknown");
  }
  return {};
}

Status check_model_settings(const std::vector<ModelSettings>& models, const std::string& file) {
  std::map<std::string, std::string> owners;
  for (const ModelSettings& model : models) owners[model.name] = model.name;
  for (const ModelSettings& model : models) {
    for (const std::string& alias : model.aliases) {
      const auto [other, is_new] = owners.emplace(alias, model.name);
      if (is_new) continue;
      return bad("file " + file, fmt::format("models.{}.alias", model.name),
                 fmt::format("\"{}\" means the model \"{}\" already", alias, other->second));
    }
  }
  return {};
}

std::vector<std::pair<std::string, std::string>> shown_model_settings(
    const std::vector<ModelSettings>& models) {
  std::vector<std::pair<std::string, std::string>> rows;
  for (const ModelSettings& model : models) {
    const auto add = [&](const char* key, std::string value) {
      rows.emplace_back(fmt::format("models.{}.{}", quoted(model.name), key), std::move(value));
    };
    if (!model.path.empty()) add("path", quoted(model.path));
    if (!model.aliases.empty()) {
      std::vector<std::string> aliases;
      for (const std::string& alias : model.aliases) aliases.push_back(quoted(alias));
      add("alias", fmt::format("[{}]", fmt::join(aliases, ", ")));
    }
    if (model.is_pinned) add("pinned", "true");
    if (model.context != 0) add("context", std::to_string(model.context));
    if (model.idle_minutes) add("idle_minutes", std::to_string(*model.idle_minutes));
  }
  return rows;
}

}  // namespace maru::service
