// Settings of the server that were set on its page, as they are kept: names and JSON texts. What
// they mean is the service's business (service/server_settings.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "store/database.h"

namespace maru::store {

// The tables' version that has them first.
inline constexpr int kSettingsVersion = 6;

struct StoredSetting {
  std::string name;
  std::string value;  // JSON
  int64_t updated_at = 0;
  std::string updated_by = {};  // an actor, as in the record of acts
};

// Sets or replaces.
Status set_setting(Transaction& transaction, const StoredSetting& row);
Status remove_setting(Transaction& transaction, const std::string& name);
// By name.
Result<std::vector<StoredSetting>> list_settings(Transaction& transaction);

}  // namespace maru::store
