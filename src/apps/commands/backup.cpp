#include <memory>

#include "apps/command.h"
#include "apps/options.h"
#include "apps/terminal.h"
#include "store/restore.h"

namespace maru::apps {
namespace {

CommandBody declare(Options& options) {
  auto copy = std::make_shared<std::string>();
  options.argument("PATH", *copy, "the file to write; it must not be there yet");
  options.examples("  maru backup /backups/maru-$(date +%F).db    also while the server runs");
  return [copy](const Context& context) -> Result<int> {
    if (!context.settings().database_url.empty()) {
      return Error{ErrorCode::kInvalidArgument, "the data is in PostgreSQL (database_url)",
                   "make its backups with pg_dump"};
    }
    const std::string path = service::database_location(context.settings());
    MARU_ASSIGN_OR_RETURN(const auto report, store::back_up(path, *copy));
    write_stderr(context.say(Message::kBackedUp, *copy, report.n_bytes, report.version) + "\n");
    return 0;
  };
}

}  // namespace

extern const Command command_backup;
const Command command_backup{"backup", "copy all accounts and records while the server runs", 80,
                             declare};

}  // namespace maru::apps
