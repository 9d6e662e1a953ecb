#include "api/wire/query.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/utf8.h"
#include "net/target.h"

namespace maru::api {
namespace {

Error bad_query(std::string message, std::string_view param = "") {
  return {ErrorCode::kInvalidArgument, std::move(message), "", std::string(param)};
}

// As forms encode it: a plus sign is a space (WHATWG URL, application/x-www-form-urlencoded).
Result<std::string> decode(std::string_view text) {
  std::string plain(text);
  std::replace(plain.begin(), plain.end(), '+', ' ');
  std::optional<std::string> out = net::percent_decode(plain);
  if (!out) return bad_query("the query holds a broken % escape");
  if (utf8_sanitise(*out) != *out || out->find('\0') != std::string::npos) {
    return bad_query("the query is no UTF-8 text");
  }
  return *std::move(out);
}

}  // namespace

Result<Query> Query::parse(std::string_view text) {
  Query query;
  while (!text.empty()) {
    const std::string_view pair = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(text.size(), pair.size() + 1));
    if (pair.empty()) continue;
    const size_t equals = std::min(pair.find('='), pair.size());
    MARU_ASSIGN_OR_RETURN(std::string name, decode(pair.substr(0, equals)));
    MARU_ASSIGN_OR_RETURN(std::string value,
                          decode(pair.substr(std::min(pair.size(), equals + 1))));
    if (name.ends_with("[]")) name.resize(name.size() - 2);
    query.values_.emplace_back(std::move(name), std::move(value));
  }
  return query;
}

Status Query::only(std::initializer_list<std::string_view> names) const {
  for (const auto& [name, value] : values_) {
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      return bad_query(fmt::format("Unknown parameter: '{}'.", name), name);
    }
  }
  return {};
}

std::vector<std::string> Query::all(std::string_view name) const {
  std::vector<std::string> out;
  for (const auto& [key, value] : values_) {
    if (key != name) continue;
    for (size_t begin = 0; begin < value.size();) {
      const size_t end = std::min(value.find(',', begin), value.size());
      if (end > begin) out.push_back(value.substr(begin, end - begin));
      begin = end + 1;
    }
  }
  return out;
}

Result<std::optional<std::string>> Query::text(std::string_view name) const {
  std::optional<std::string> found;
  for (const auto& [key, value] : values_) {
    if (key != name) continue;
    if (found) return bad_query(fmt::format("'{}' is there twice", name), name);
    found = value;
  }
  return found;
}

Result<std::optional<bool>> Query::boolean(std::string_view name) const {
  MARU_ASSIGN_OR_RETURN(const auto found, text(name));
  if (!found) return std::optional<bool>();
  if (*found == "true" || *found == "false") return std::optional<bool>(*found == "true");
  return bad_query(fmt::format("'{}' must be true or false", name), name);
}

Result<std::optional<int64_t>> Query::number(std::string_view name, int64_t min,
                                             int64_t max) const {
  MARU_ASSIGN_OR_RETURN(const auto found, text(name));
  if (!found) return std::optional<int64_t>();
  MARU_ASSIGN_OR_RETURN(const int64_t number, parse_whole_number(*found, name, min, max));
  return std::optional<int64_t>(number);
}

Result<int64_t> parse_whole_number(std::string_view text, std::string_view name, int64_t min,
                                   int64_t max) {
  int64_t number = 0;
  const char* const begin = text.data();
  const char* const end = begin + text.size();
  const auto [stop, code] = std::from_chars(begin, end, number);
  if (code != std::errc{} || stop != end || number < min || number > max) {
    return Error{
        ErrorCode::kInvalidArgument,
        fmt::format("'{}' must be a whole number from {} to {}", name, min, max), "",
        std::string(name),
        Reason{"out_of_range", {{"field", std::string(name)}, {"low", min}, {"high", max}}}};
  }
  return number;
}

}  // namespace maru::api
