// The records that commands read and change beside a running server: the database of the settings.
#pragma once

#include <memory>
#include <string>

#include "apps/command.h"
#include "base/result.h"
#include "service/audit.h"
#include "store/database.h"

namespace maru::apps {

// Errors: those of store::Database::open.
Result<std::shared_ptr<store::Database>> open_books(const Context& context);
// The record of acts in it.
Result<std::shared_ptr<service::AuditLog>> open_audit_log(const Context& context);

// Where the head of the audit record is kept, beside the database's own.
std::string audit_head_file();

}  // namespace maru::apps
