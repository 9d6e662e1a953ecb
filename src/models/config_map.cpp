#include "models/config_map.h"

#include <cmath>
#include <limits>

#include "base/json.h"

namespace maru::models {
namespace {

constexpr size_t kMaxList = 65536;

ConfigMap::Value from_gguf_array(const formats::GgufArray& array) {
  using Integers = std::vector<int64_t>;
  if (const auto* v = std::get_if<std::vector<int64_t>>(&array.values)) return *v;
  if (const auto* v = std::get_if<std::vector<uint64_t>>(&array.values))
    return v->size() > kMaxList ? ConfigMap::Value(ConfigMap::Opaque{})
                                : ConfigMap::Value(Integers(v->begin(), v->end()));
  if (const auto* v = std::get_if<std::vector<bool>>(&array.values))
    return Integers(v->begin(), v->end());
  if (const auto* v = std::get_if<std::vector<std::string_view>>(&array.values))
    return std::vector<std::string>(v->begin(), v->end());
  return ConfigMap::Opaque{};
}

ConfigMap::Value from_gguf_value(const formats::GgufValue& value) {
  if (const auto* v = std::get_if<int64_t>(&value)) return *v;
  if (const auto* v = std::get_if<uint64_t>(&value)) {
    if (*v > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
      return static_cast<double>(*v);
    return static_cast<int64_t>(*v);
  }
  if (const auto* v = std::get_if<double>(&value)) return *v;
  if (const auto* v = std::get_if<bool>(&value)) return *v;
  if (const auto* v = std::get_if<std::string_view>(&value)) return std::string(*v);
  return from_gguf_array(std::get<formats::GgufArray>(value));
}

ConfigMap::Value from_json_list(const Json& list) {
  std::vector<int64_t> integers;
  std::vector<std::string> texts;
  for (const Json& item : list) {
    if (item.is_string()) {
      texts.push_back(item.get<std::string>());
    } else if (item.is_number_integer()) {
      integers.push_back(item.get<int64_t>());
    } else if (item.is_boolean()) {
      integers.push_back(item.get<bool>() ? 1 : 0);
    } else {
      return ConfigMap::Opaque{};
    }
  }
  if (!integers.empty() && !texts.empty()) return ConfigMap::Opaque{};
  if (!texts.empty()) return texts;
  return integers;
}

ConfigMap::Value from_json_value(const Json& value) {
  if (value.is_null()) return std::monostate{};
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_number_integer()) {
    if (value.is_number_unsigned() &&
        value.get<uint64_t>() > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
      return static_cast<double>(value.get<uint64_t>());
    return value.get<int64_t>();
  }
  if (value.is_number_float()) return value.get<double>();
  if (value.is_string()) return value.get<std::string>();
  if (value.is_array()) return from_json_list(value);
  return ConfigMap::Opaque{};
}

std::string to_text(const ConfigMap::Value& value) {
  struct Printer {
    std::string operator()(std::monostate) const { return "null"; }
    std::string operator()(bool v) const { return v ? "true" : "false"; }
    std::string operator()(int64_t v) const { return std::to_string(v); }
    std::string operator()(double v) const {
      char text[40];
      std::snprintf(text, sizeof text, "%.9g", v);
      return text;
    }
    std::string operator()(const std::string& v) const { return "\"" + v.substr(0, 80) + "\""; }
    std::string operator()(const std::vector<int64_t>& v) const {
      std::string text = "[";
      for (int64_t i : v) text += std::to_string(i) + ",";
      return text + "]";
    }
    std::string operator()(const std::vector<std::string>& v) const {
      std::string text = "[";
      for (const std::string& s : v) text += s + ",";
      return text + "]";
    }
    std::string operator()(ConfigMap::Opaque) const { return "?"; }
  };
  return std::visit(Printer{}, value);
}

// For messages: long lists cut.
std::string to_short_text(const ConfigMap::Value& value) {
  std::string text = to_text(value);
  if (text.size() > 80) text = text.substr(0, 77) + "...";
  return text;
}

bool says_nothing(const ConfigMap::Value& value) {
  struct Check {
    bool operator()(std::monostate) const { return true; }
    bool operator()(bool v) const { return !v; }
    bool operator()(int64_t v) const { return v == 0; }
    bool operator()(double v) const { return v == 0.0 || v == 1.0; }
    bool operator()(const std::string& v) const { return v.empty(); }
    bool operator()(const std::vector<int64_t>& v) const { return v.empty(); }
    bool operator()(const std::vector<std::string>& v) const { return v.empty(); }
    bool operator()(ConfigMap::Opaque) const { return false; }
  };
  return std::visit(Check{}, value);
}

}  // namespace

ConfigMap ConfigMap::from_gguf(const formats::GgufFile& file, std::string_view architecture) {
  ConfigMap map;
  map.prefix_ = std::string(architecture) + ".";
  for (const auto& [key, value] : file.metadata())
    if (key.starts_with(map.prefix_))
      map.entries_[std::string(key.substr(map.prefix_.size()))] = {from_gguf_value(value)};
  return map;
}

ConfigMap ConfigMap::from_json(const Json& config) {
  ConfigMap map;
  map.prefix_ = "config.json: ";
  map.add_json("", config, 0);
  return map;
}

void ConfigMap::add_json(const std::string& prefix, const Json& object, int depth) {
  for (const auto& [key, value] : object.items()) {
    if (value.is_object() && !value.empty() && depth < 4) {
      add_json(prefix + key + ".", value, depth + 1);
    } else {
      entries_[prefix + key] = {from_json_value(value)};
    }
  }
}

bool ConfigMap::has(std::string_view key) const {
  auto it = entries_.find(key);
  return it != entries_.end() && !std::holds_alternative<std::monostate>(it->second.value);
}

const ConfigMap::Value* ConfigMap::read(std::string_view key) {
  auto it = entries_.find(key);
  if (it == entries_.end()) return nullptr;
  it->second.was_read = true;
  return std::holds_alternative<std::monostate>(it->second.value) ? nullptr : &it->second.value;
}

std::string ConfigMap::spelled(std::string_view key) const { return prefix_ + std::string(key); }

Error ConfigMap::refusal(std::string_view key, const std::string& why,
                         const std::string& hint) const {
  std::string value;
  if (auto it = entries_.find(key); it != entries_.end())
    value = " = " + to_short_text(it->second.value);
  return {.code = ErrorCode::kInvalidArgument,
          .message = spelled(key) + value + ": " + why,
          .hint = hint.empty() ? kTakeAgain : hint};
}

Result<uint32_t> ConfigMap::count(std::string_view key, uint32_t low, uint32_t high) {
  const Value* value = read(key);
  if (value == nullptr)
    return refusal(key, "is missing", "the model's configuration is incomplete");
  const std::string range = std::to_string(low) + " to " + std::to_string(high);
  const auto* integer = std::get_if<int64_t>(value);
  if (integer == nullptr) return refusal(key, "must be one whole number, " + range);
  if (*integer < int64_t{low} || *integer > int64_t{high}) return refusal(key, "must be " + range);
  return static_cast<uint32_t>(*integer);
}

Result<uint32_t> ConfigMap::count_or(std::string_view key, uint32_t fallback, uint32_t low,
                                     uint32_t high) {
  if (read(key) == nullptr) return fallback;
  return count(key, low, high);
}

Result<double> ConfigMap::number(std::string_view key, double low, double high) {
  const Value* value = read(key);
  if (value == nullptr)
    return refusal(key, "is missing", "the model's configuration is incomplete");
  double x = 0.0;
  if (const auto* v = std::get_if<double>(value)) {
    x = *v;
  } else if (const auto* integer = std::get_if<int64_t>(value)) {
    x = static_cast<double>(*integer);
  } else {
    return refusal(key, "must be a number");
  }
  if (!(x >= low && x <= high))
    return refusal(key, "must be " + to_text(low) + " to " + to_text(high));
  return x;
}

Result<double> ConfigMap::number_or(std::string_view key, double fallback, double low,
                                    double high) {
  if (read(key) == nullptr) return fallback;
  return number(key, low, high);
}

Result<bool> ConfigMap::flag_or(std::string_view key, bool fallback) {
  const Value* value = read(key);
  if (value == nullptr) return fallback;
  const auto* flag = std::get_if<bool>(value);
  if (flag == nullptr) return refusal(key, "must be true or false");
  return *flag;
}

Result<std::string> ConfigMap::text_or(std::string_view key, std::string_view fallback) {
  const Value* value = read(key);
  if (value == nullptr) return std::string(fallback);
  const auto* text = std::get_if<std::string>(value);
  if (text == nullptr) return refusal(key, "must be a text");
  return *text;
}

Result<std::vector<std::string>> ConfigMap::texts(std::string_view key) {
  const Value* value = read(key);
  if (value == nullptr || says_nothing(*value)) return std::vector<std::string>{};
  const auto* texts = std::get_if<std::vector<std::string>>(value);
  if (texts == nullptr) return refusal(key, "must be a list of texts");
  return *texts;
}

Result<std::vector<int64_t>> ConfigMap::integers(std::string_view key) {
  const Value* value = read(key);
  if (value == nullptr || says_nothing(*value)) return std::vector<int64_t>{};
  const auto* integers = std::get_if<std::vector<int64_t>>(value);
  if (integers == nullptr) return refusal(key, "must be a list of whole numbers");
  return *integers;
}

void ConfigMap::ignore(std::string_view key) { read(key); }

Status ConfigMap::refuse_unread(const std::function<bool(std::string_view)>& matters) const {
  for (const auto& [key, entry] : entries_) {
    if (entry.was_read || says_nothing(entry.value) || !matters(key)) continue;
    return refusal(key,
                   "this version of Maru does not know this feature, which changes the results",
                   "use a model without it, or a newer Maru");
  }
  return {};
}

std::string ConfigMap::canonical_text() const {
  std::string text;
  for (const auto& [key, entry] : entries_) text += key + "=" + to_text(entry.value) + "\n";
  return text;
}

}  // namespace maru::models
