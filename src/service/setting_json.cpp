#include "service/setting_json.h"

#include <cstdint>
#include <limits>

#include "base/json.h"

namespace maru::service {

SettingValue setting_from_json(const Json& json) {
  if (json.is_string()) return SettingValue(json.get<std::string>());
  if (json.is_boolean()) return SettingValue(json.get<bool>());
  if (json.is_number_unsigned() &&
      json.get<uint64_t>() > uint64_t{std::numeric_limits<int64_t>::max()}) {
    return {};
  }
  if (json.is_number_integer()) return SettingValue(json.get<int64_t>());
  if (!json.is_array()) return {};
  std::vector<std::string> list;
  for (const Json& item : json) {
    if (!item.is_string()) return {};
    list.push_back(item.get<std::string>());
  }
  return SettingValue(std::move(list));
}

Json setting_to_json(const SettingValue& value) {
  if (const auto* number = std::get_if<int64_t>(&value)) return *number;
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (const auto* truth = std::get_if<bool>(&value)) return *truth;
  if (const auto* list = std::get_if<std::vector<std::string>>(&value)) return *list;
  return nullptr;
}

}  // namespace maru::service
