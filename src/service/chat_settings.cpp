#include "service/chat_settings.h"

#include "base/json.h"

namespace maru::service {
namespace {

// Every field with its name on the wire: visit(name, field...) for the same field of each settings.
template <class Visit, class... Settings>
void for_each_field(const Visit& visit, Settings&... settings) {
  visit("model", settings.model...);
  visit("assistant", settings.assistant_id...);
  visit("system", settings.system...);
  visit("temperature", settings.temperature...);
  visit("top_p", settings.top_p...);
  visit("min_p", settings.min_p...);
  visit("top_k", settings.top_k...);
  visit("max_tokens", settings.max_tokens...);
  visit("seed", settings.seed...);
  visit("stop", settings.stop...);
  visit("use_memories", settings.use_memories...);
}

bool read_value(const Json& value, std::string& out) {
  if (!value.is_string()) return false;
  out = value.get<std::string>();
  return true;
}
bool read_value(const Json& value, double& out) {
  if (!value.is_number()) return false;
  out = value.get<double>();
  return true;
}
bool read_value(const Json& value, int64_t& out) {
  if (!value.is_number_integer()) return false;
  out = value.get<int64_t>();
  return true;
}
bool read_value(const Json& value, bool& out) {
  if (!value.is_boolean()) return false;
  out = value.get<bool>();
  return true;
}
bool read_value(const Json& value, std::vector<std::string>& out) {
  if (!value.is_array()) return false;
  for (const Json& item : value) {
    std::string text;
    if (read_value(item, text)) out.push_back(std::move(text));
  }
  return true;
}

}  // namespace

ChatSettings merge(ChatSettings under, const ChatSettings& over) {
  for_each_field(
      [](const char*, auto& low, const auto& high) {
        if (high) low = high;
      },
      under, over);
  return under;
}

Json settings_json(const ChatSettings& settings) {
  Json json = Json::object();
  for_each_field(
      [&](const char* name, const auto& field) {
        if (field) json[name] = *field;
      },
      settings);
  return json;
}

ChatSettings read_settings(const std::string& json) {
  ChatSettings settings;
  const auto parsed = parse_json(json);
  if (!parsed || !parsed->is_object()) return settings;
  for_each_field(
      [&]<class T>(const char* name, std::optional<T>& field) {
        T value{};
        const auto found = parsed->find(name);
        if (found != parsed->end() && read_value(*found, value)) field = std::move(value);
      },
      settings);
  return settings;
}

}  // namespace maru::service
