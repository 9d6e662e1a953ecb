#include "api/query.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/utf8.h"

namespace maru::api {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// application/x-www-form-urlencoded; none for a broken escape or what is not UTF-8.
std::optional<std::string> decode(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
      const int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
      if (low < 0) return std::nullopt;
      out += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  if (!utf8_is_valid(out)) return std::nullopt;
  return out;
}

}  // namespace

QueryReader::QueryReader(std::string_view query, std::initializer_list<std::string_view> names,
                         Problems& problems)
    : problems_(problems) {
  while (!query.empty()) {
    const std::string_view part = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(part.size() + 1, query.size()));
    const size_t equals = std::min(part.find('='), part.size());
    auto name = decode(part.substr(0, equals));
    auto value = decode(equals < part.size() ? part.substr(equals + 1) : std::string_view());
    if (part.empty()) continue;
    if (!name || !value) {
      problems_.add("", "invalid_value", "the query of the URL is not encoded rightly");
    } else if (std::find(names.begin(), names.end(), *name) == names.end()) {
      problems_.add(*name, "unknown_parameter", "Unrecognized query argument supplied: " + *name);
    } else {
      values_.emplace_back(std::move(*name), std::move(*value));
    }
  }
}

std::string QueryReader::text(std::string_view name) const {
  for (const auto& [key, value] : values_) {
    if (key == name) return value;
  }
  return "";
}

int64_t QueryReader::integer(std::string_view name, int64_t otherwise, int64_t low, int64_t high) {
  const std::string value = text(name);
  if (value.empty()) return otherwise;
  int64_t number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error == std::errc() && end == value.data() + value.size() && number >= low && number <= high)
    return number;
  problems_.add(name, "invalid_value",
                fmt::format("'{}' must be an integer from {} to {}", name, low, high));
  return otherwise;
}

bool QueryReader::boolean(std::string_view name) {
  const std::string value = text(name);
  if (value == "true" || value == "false" || value.empty()) return value == "true";
  problems_.add(name, "invalid_value", fmt::format("'{}' must be true or false", name));
  return false;
}

}  // namespace maru::api
