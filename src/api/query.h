// The query of a request's target: name=value&..., percent-encoded.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/wire/fields.h"

namespace maru::api {

class QueryReader {
 public:
  // Unknown names and broken escapes go to `problems`.
  QueryReader(std::string_view query, std::initializer_list<std::string_view> names,
              Problems& problems);

  std::string text(std::string_view name) const;  // empty if absent
  int64_t integer(std::string_view name, int64_t otherwise, int64_t low, int64_t high);
  bool boolean(std::string_view name);

 private:
  std::vector<std::pair<std::string, std::string>> values_;
  Problems& problems_;
};

}  // namespace maru::api
