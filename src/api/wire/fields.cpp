#include "api/wire/fields.h"

#include <limits>
#include <utility>

#include "base/json.h"
#include "base/log.h"

namespace maru::api {

const char* support_name(Support support) {
  switch (support) {
    case Support::kSupported: return "supported";
    case Support::kIgnored: return "ignored";
    case Support::kNeutral: return "neutral only";
    case Support::kRefused: return "refused";
  }
  return "refused";
}

void Problems::add(std::string_view param, std::string_view code, std::string message,
                   Reason reason) {
  if (first_) return;
  if (reason.name.empty()) reason.name = error_code_name(ErrorCode::kInvalidArgument);
  first_ = ApiError{
      400, "invalid_request_error", std::string(code), std::move(message), std::string(param),
      0,   std::move(reason)};
}

const char* json_type_name(const Json& value) {
  if (value.is_null()) return "null";
  if (value.is_boolean()) return "boolean";
  if (value.is_number_integer()) return "integer";
  if (value.is_number()) return "number";
  if (value.is_string()) return "string";
  if (value.is_array()) return "array";
  return "object";
}

std::optional<int64_t> as_int64(const Json& value) {
  if (value.is_number_unsigned()) {
    const uint64_t number = value.get<uint64_t>();
    if (number > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return std::nullopt;
    return static_cast<int64_t>(number);
  }
  if (value.is_number_integer()) return value.get<int64_t>();
  return std::nullopt;
}

ObjectReader::ObjectReader(const Json& object, std::string path, Problems& problems)
    : object_(object), path_(std::move(path)), problems_(problems) {}

void ObjectReader::check_fields(std::span<const FieldSpec> specs) {
  for (const auto& [name, value] : object_.items()) {
    const FieldSpec* spec = nullptr;
    for (const FieldSpec& candidate : specs) {
      if (name == candidate.name) spec = &candidate;
    }
    const std::string path = path_of(name);
    if (spec == nullptr) {
      problems_.add(path, "unknown_parameter", "Unrecognized request argument supplied: " + path);
    } else if (!value.is_null() &&
               (spec->support == Support::kRefused ||
                (spec->support == Support::kNeutral && !spec->is_neutral(value)))) {
      problems_.add(path, "unsupported_parameter",
                    "'" + path + "' asks for something this server cannot do: leave it out");
    }
  }
}

const Json* ObjectReader::find(std::string_view name) const {
  const auto found = object_.find(name);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

std::string ObjectReader::path_of(std::string_view name) const {
  return path_.empty() ? std::string(name) : path_ + "." + std::string(name);
}

void ObjectReader::wrong_type(std::string_view name, std::string_view wanted) {
  const Json* value = find(name);
  problems_.add(path_of(name), "invalid_type",
                fmt::format("'{}' must be {}, not {}", path_of(name), wanted,
                            value ? json_type_name(*value) : "null"));
}

void ObjectReader::wrong_value(std::string_view name, std::string message) {
  problems_.add(path_of(name), "invalid_value", fmt::format("'{}' {}", path_of(name), message));
}

void ObjectReader::require(std::string_view name) {
  if (find(name)) return;
  problems_.add(path_of(name), "missing_required_parameter",
                "Missing required parameter: '" + path_of(name) + "'");
}

std::optional<bool> ObjectReader::boolean(std::string_view name) {
  const Json* value = find(name);
  if (!value) return std::nullopt;
  if (value->is_boolean()) return value->get<bool>();
  wrong_type(name, "a boolean");
  return std::nullopt;
}

std::optional<int64_t> ObjectReader::integer(std::string_view name, int64_t low, int64_t high) {
  const Json* value = find(name);
  if (!value) return std::nullopt;
  if (!value->is_number()) {
    wrong_type(name, "an integer");
    return std::nullopt;
  }
  const std::optional<int64_t> number = as_int64(*value);
  if (!number || *number < low || *number > high) {
    problems_.add(
        path_of(name), "invalid_value",
        fmt::format("'{}' must be an integer from {} to {}, not {}", path_of(name), low, high,
                    dump_json(*value)),
        Reason{"out_of_range", {{"field", std::string(name)}, {"low", low}, {"high", high}}});
    return std::nullopt;
  }
  return number;
}

std::optional<double> ObjectReader::number(std::string_view name, double low, double high) {
  const Json* value = find(name);
  if (!value) return std::nullopt;
  if (!value->is_number()) {
    wrong_type(name, "a number");
    return std::nullopt;
  }
  const double number = value->get<double>();
  if (!(number >= low && number <= high)) {
    problems_.add(
        path_of(name), "invalid_value",
        fmt::format("'{}' must be from {} to {}, not {}", path_of(name), low, high,
                    dump_json(*value)),
        Reason{"out_of_range", {{"field", std::string(name)}, {"low", low}, {"high", high}}});
    return std::nullopt;
  }
  return number;
}

std::optional<std::string> ObjectReader::string(std::string_view name) {
  const Json* value = find(name);
  if (!value) return std::nullopt;
  if (value->is_string()) return value->get<std::string>();
  wrong_type(name, "a string");
  return std::nullopt;
}

const Json* ObjectReader::object(std::string_view name) {
  const Json* value = find(name);
  if (value && !value->is_object()) {
    wrong_type(name, "an object");
    return nullptr;
  }
  return value;
}

const Json* ObjectReader::array(std::string_view name) {
  const Json* value = find(name);
  if (value && !value->is_array()) {
    wrong_type(name, "an array");
    return nullptr;
  }
  return value;
}

}  // namespace maru::api
