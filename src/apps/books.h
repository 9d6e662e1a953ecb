// The records that commands read and change beside a running server: the database of the settings.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "apps/command.h"
#include "base/json_fwd.h"
#include "store/database.h"

namespace maru::apps {

// Errors: those of store::Database::open.
Result<std::shared_ptr<store::Database>> open_books(const Context& context);

// Where the head of the audit record is kept, beside the database's own.
std::string audit_head_file();

// Does `act` and records it, both or neither.
Status change_books(store::Database& database, const std::string& action,
                    const std::string& subject, const Json& detail,
                    const std::function<Status(store::Transaction&)>& act);

}  // namespace maru::apps
