#include "store/restore.h"

#include <memory>

#include "apps/command.h"
#include "apps/options.h"
#include "apps/terminal.h"

namespace maru::apps {
namespace {

CommandBody declare(Options& options) {
  auto backup = std::make_shared<std::string>();
  options.argument("PATH", *backup, "a file that 'maru backup' wrote");
  options.examples(
      "  maru restore /backups/maru-2026-01-31.db    with the server stopped; what was there is "
      "kept");
  return [backup](const Context& context) -> Result<int> {
    if (!context.settings().database_url.empty()) {
      return Error{ErrorCode::kInvalidArgument, "the data is in PostgreSQL (database_url)",
                   "restore it with pg_restore or psql"};
    }
    const std::string path = service::database_location(context.settings());
    MARU_ASSIGN_OR_RETURN(const auto report, store::restore(*backup, path));
    write_stderr(context.say(Message::kRestored, path, *backup, report.version) + "\n");
    if (!report.kept.empty()) {
      write_stderr(context.say(Message::kRestoredKept, report.kept) + "\n");
    }
    return 0;
  };
}

}  // namespace

extern const Command command_restore;
const Command command_restore{"restore", "put a backup in the place of the data", 81, declare};

}  // namespace maru::apps
