// Forward declaration of the JSON value (see base/json.h). Json keeps the order of keys, because
// templates print objects in the order they were given.
#pragma once

#include <nlohmann/json_fwd.hpp>

namespace maru {
using Json = nlohmann::ordered_json;
}  // namespace maru
