// Values of settings as JSON: in the database, and for clients.
#pragma once

#include "base/json_fwd.h"
#include "service/config.h"

namespace maru::service {

// Numbers, texts and lists of texts; monostate for what is none of these.
SettingValue setting_from_json(const Json& json);
// null for monostate.
Json setting_to_json(const SettingValue& value);

}  // namespace maru::service
