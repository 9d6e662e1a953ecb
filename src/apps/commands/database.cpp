#include <charconv>
#include <memory>

#include "apps/command.h"
#include "apps/options.h"
#include "apps/terminal.h"
#include "store/sqlite.h"

namespace maru::apps {
namespace {

struct Wish {
  std::string act, version;
};

Result<int> read_version(const std::string& text, int now) {
  int version = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, code] = std::from_chars(text.data(), end, version);
  if (code != std::errc{} || stop != end || version < 1 || version > now) {
    return Error{ErrorCode::kInvalidArgument,
                 text.empty() ? "to which version?" : "'" + text + "' is no version to go down to",
                 "a number from 1 to " + std::to_string(now) + ", the version of the tables now",
                 "version"};
  }
  return version;
}

Result<int> run(const Context& context, const Wish& wish) {
  if (wish.act != "status" && wish.act != "upgrade" && wish.act != "downgrade") {
    return Error{ErrorCode::kInvalidArgument, "there is no 'maru database " + wish.act + "'",
                 "there are status, upgrade and downgrade", "act"};
  }
  if (!context.settings().database_url.empty()) {
    return Error{ErrorCode::kInvalidArgument, "the data is in PostgreSQL (database_url)",
                 "every start upgrades it; go back to a copy that pg_dump made"};
  }
  const std::string path = service::database_location(context.settings());
  const int newest = store::newest_version(store::all_migrations());
  MARU_ASSIGN_OR_RETURN(const int before, store::sqlite_version(path));
  if (wish.act == "status") {
    write_stdout(context.say(Message::kDatabaseVersion, path, before, newest) + "\n");
    return 0;
  }
  store::SqliteOptions options;
  options.version = newest;
  if (wish.act == "downgrade") {
    MARU_ASSIGN_OR_RETURN(options.version, read_version(wish.version, before));
  }
  const auto opened = store::open_sqlite(path, options);
  if (!opened) return opened.error();
  MARU_RETURN_IF_ERROR((*opened)->verify());
  write_stdout(context.say(Message::kDatabaseMoved, before, *options.version) + "\n");
  if (wish.act == "downgrade") write_stderr(context.say(Message::kDatabaseOlder) + "\n");
  return 0;
}

CommandBody declare(Options& options) {
  auto wish = std::make_shared<Wish>();
  options.argument("ACT", wish->act, "status, upgrade or downgrade");
  options.argument("VERSION", wish->version, "downgrade: of the tables", false);
  options.examples(
      "  maru database status\n"
      "  maru database downgrade 3      for an older Maru, with the server stopped\n"
      "A checked copy from before is kept beside the file. Tables that the older version does not\n"
      "know are removed with what they hold. Every start of this Maru upgrades.");
  return [wish](const Context& context) { return run(context, *wish); };
}

}  // namespace

extern const Command command_database;
const Command command_database{"database", "show, upgrade and downgrade the version of the data",
                               82, declare};

}  // namespace maru::apps
