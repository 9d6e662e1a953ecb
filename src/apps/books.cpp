#include "apps/books.h"

#include <utility>

#include "base/files.h"

namespace maru::apps {

Result<std::shared_ptr<store::Database>> open_books(const Context& context) {
  MARU_ASSIGN_OR_RETURN(auto database,
                        store::Database::open(service::database_location(context.settings())));
  return std::shared_ptr<store::Database>(std::move(database));
}

Result<std::shared_ptr<service::AuditLog>> open_audit_log(const Context& context) {
  MARU_ASSIGN_OR_RETURN(auto database, open_books(context));
  return std::make_shared<service::AuditLog>(std::move(database), audit_head_file());
}

std::string audit_head_file() { return data_folder() + "/audit.head"; }

}  // namespace maru::apps
