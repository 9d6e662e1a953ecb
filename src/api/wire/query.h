// The parameters of a query string, checked by name: what an endpoint does not know is refused.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace maru::api {

// application/x-www-form-urlencoded, in order. "name[]" is "name". Errors: kInvalidArgument (a
// broken escape, bytes that are not UTF-8).
class Query {
 public:
  static Result<Query> parse(std::string_view text);

  // Errors: kInvalidArgument, with `param`.
  Status only(std::initializer_list<std::string_view> names) const;
  std::vector<std::string> all(std::string_view name) const;  // repeated, or with commas between
  Result<std::optional<std::string>> text(std::string_view name) const;
  Result<std::optional<bool>> boolean(std::string_view name) const;
  Result<std::optional<int64_t>> number(std::string_view name, int64_t min, int64_t max) const;

 private:
  std::vector<std::pair<std::string, std::string>> values_;
};

// Errors: kInvalidArgument, with `name` as the param.
Result<int64_t> parse_whole_number(std::string_view text, std::string_view name, int64_t min,
                                   int64_t max);

}  // namespace maru::api
