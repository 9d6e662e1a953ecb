// Settings of the server that are set on its page.
#include "store/migrations.h"
#include "store/settings.h"

namespace maru::store {
namespace {

constexpr const char* kUp[] = {
    R"(CREATE TABLE settings (
  name TEXT PRIMARY KEY NOT NULL,
  value TEXT NOT NULL,
  updated_at {integer} NOT NULL,
  updated_by TEXT NOT NULL
) {strict})",
};

constexpr const char* kDown[] = {
    "DROP TABLE settings",
};

}  // namespace

extern const Migration migration_0006_settings;
constinit const Migration migration_0006_settings{kSettingsVersion, "settings", kUp, kDown};

}  // namespace maru::store
