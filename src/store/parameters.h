// What both databases ask of a statement's parameters. Pure functions.
#pragma once

#include <span>

#include "base/result.h"
#include "store/database.h"

namespace maru::store {

// Text must be UTF-8 without zero bytes, which PostgreSQL cannot hold: kInvalidArgument.
Status check_parameters(std::span<const Value> parameters);

}  // namespace maru::store
