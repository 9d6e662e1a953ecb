#include "apps/books.h"

#include "base/files.h"
#include "base/json.h"
#include "service/clock.h"
#include "store/audit.h"

namespace maru::apps {
namespace {

constexpr const char* kActor = "local";  // whoever sits at the machine itself

}  // namespace

Result<std::shared_ptr<store::Database>> open_books(const Context& context) {
  MARU_ASSIGN_OR_RETURN(auto database,
                        store::Database::open(service::database_location(context.settings())));
  return std::shared_ptr<store::Database>(std::move(database));
}

std::string audit_head_file() { return data_folder() + "/audit.head"; }

Status change_books(store::Database& database, const std::string& action,
                    const std::string& subject, const Json& detail,
                    const std::function<Status(store::Transaction&)>& act) {
  return database.write([&](store::Transaction& transaction) -> Status {
    MARU_RETURN_IF_ERROR(act(transaction));
    MARU_RETURN_IF_ERROR(store::append_audit(
        transaction, {kActor, action, subject, dump_json(detail)}, service::unix_milliseconds()));
    return {};
  });
}

}  // namespace maru::apps
