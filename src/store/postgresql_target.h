// Where a PostgreSQL database is, out of its URL. Pure functions.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace maru::store {

struct PostgresqlTarget {
  std::vector<std::pair<std::string, std::string>> settings;  // libpq's names and values
  std::string where;                 // for messages, without user and password
  std::vector<std::string> secrets;  // passwords: no message may hold them

  // `text` on one line, with stars for secrets.
  std::string clean(std::string_view text) const;
};

// "postgresql://user:password@host:port/database?sslmode=require" and whatever else libpq takes,
// with defaults that notice a server that is gone. Errors: kInvalidArgument, which repeats nothing
// of the URL: a password that is not percent-encoded may be anywhere in it.
Result<PostgresqlTarget> parse_target(const std::string& url);

}  // namespace maru::store
