// Settings that were set on the page of a server, as commands find them in its database.
#pragma once

#include <vector>

#include "apps/command.h"
#include "base/result.h"
#include "service/server_settings.h"
#include "store/database.h"

namespace maru::apps {

// Of the data folder, by what their files tell: a key for embeddings takes none that chats.
service::ModelNames model_names(const service::Settings& settings);

// What is kept in the database of the settings, as it is: none is made, and a file's tables stay as
// they are. Errors: those of store::Database::open.
Result<std::vector<store::StoredSetting>> read_stored_settings(const service::Settings& settings);

// The command's settings with those of `database`; what is not valid there is left aside.
Result<service::Config> with_stored_settings(const Context& context,
                                             const store::Database& database);

}  // namespace maru::apps
