// A request's body as a JSON object, with bounds that make hostile texts cheap.
#pragma once

#include <string_view>

#include "base/json_fwd.h"
#include "base/result.h"

namespace maru::api {

// Errors: kInvalidArgument with the byte; `param` names the top-level field whose value holds a
// number that is none (NaN, Infinity, 1e400), is nested too deep or has too many keys. Otherwise,
// for plain bad JSON, `param` is empty.
Result<Json> parse_body(std::string_view text);

}  // namespace maru::api
