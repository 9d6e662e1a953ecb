// What both databases ask of a statement and its parameters. Pure functions.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "store/database.h"

namespace maru::store {

// Text must be UTF-8 without zero bytes, which PostgreSQL cannot hold: kInvalidArgument.
Status check_parameters(std::span<const Value> parameters);

struct NumberedSql {
  std::string text;
  size_t n_parameters = 0;
};

// `sql` with $1, $2, ... for its `?`, as PostgreSQL wants it. Those in literals ('', E'', $$),
// quoted names and comments stay.
NumberedSql number_placeholders(std::string_view sql);

}  // namespace maru::store
