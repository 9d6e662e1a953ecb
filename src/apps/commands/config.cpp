#include <algorithm>

#include "apps/books.h"
#include "apps/command.h"
#include "apps/options.h"
#include "apps/stored_settings.h"
#include "apps/terminal.h"
#include "base/files.h"
#include "base/json.h"

namespace maru::apps {
namespace {

struct Wish {
  std::string act, name;
  bool json = false;
};

void print_table(const service::Config& config) {
  write_stdout(fmt::format("# data folder: {}\n", data_folder()));
  write_stdout(
      fmt::format("# settings file: {}\n", config.file().empty() ? "none" : config.file()));
  const auto rows = config.rows();
  size_t width = 0;
  for (const service::SettingRow& row : rows) {
    width = std::max(width, row.name.size() + 3 + row.value.size());
  }
  for (const service::SettingRow& row : rows) {
    const std::string line = row.name + " = " + row.value;
    write_stdout(fmt::format("{:<{}}  # {}\n", line, width, row.origin));
  }
}

void print_json(const service::Config& config) {
  Json settings = Json::object();
  for (const service::SettingRow& row : config.rows()) {
    settings[row.name] = {{"value", row.value}, {"origin", row.origin}};
  }
  const Json out = {
      {"data_folder", data_folder()}, {"file", config.file()}, {"settings", settings}};
  write_stdout(dump_json(out) + "\n");
}

// A database that can't be read hides none of the rest.
Result<int> show(const Context& context, bool as_json) {
  service::Config config = context.config;
  if (const auto stored = read_stored_settings(context.settings())) {
    const auto names = model_names(context.settings());
    const auto ignored =
        config.take_stored(*stored, [&](const std::string& key, const std::string& model) {
          const auto known = names(key);
          return std::find(known.begin(), known.end(), model) != known.end();
        });
    for (const service::IgnoredSetting& one : ignored) {
      write_stderr(context.say(Message::kSettingIgnored, printable(one.name), printable(one.reason),
                               printable(one.name)) +
                   "\n");
    }
  } else {
    write_stderr(context.say(Message::kSettingsUnread, printable(stored.error().to_string())) +
                 "\n");
  }
  if (as_json) {
    print_json(config);
  } else {
    print_table(config);
  }
  return 0;
}

Result<int> unset(const Context& context, const std::string& name) {
  if (name.empty()) {
    return Error{ErrorCode::kInvalidArgument, "which setting?",
                 "maru config unset NAME; maru config shows those of the database", "name"};
  }
  MARU_ASSIGN_OR_RETURN(const auto stored, read_stored_settings(context.settings()));
  if (std::ranges::find(stored, name, &store::StoredSetting::name) == stored.end()) {
    return Error{ErrorCode::kNotFound, "the database has no setting '" + name + "'",
                 "maru config shows where each came from", "name"};
  }
  MARU_ASSIGN_OR_RETURN(auto log, open_audit_log(context));
  service::ServerSettings settings(std::move(log), context.config, model_names(context.settings()));
  MARU_RETURN_IF_ERROR(settings.change(service::kLocalActor, {{name, std::nullopt}}));
  write_stdout(context.say(Message::kSettingRemoved, printable(name)) + "\n");
  return 0;
}

Result<int> run(const Context& context, const Wish& wish) {
  if (wish.act.empty()) return show(context, wish.json);
  if (wish.act == "unset") return unset(context, wish.name);
  return Error{ErrorCode::kInvalidArgument, "there is no 'maru config " + wish.act + "'",
               "there are maru config and maru config unset NAME", "act"};
}

CommandBody declare(Options& options) {
  auto wish = std::make_shared<Wish>();
  options.argument("ACT", wish->act, "unset: forget what the page has set", false);
  options.argument("NAME", wish->name, "unset: of the setting", false);
  options.toggle("--json", wish->json, "print JSON");
  for (const service::SettingKey& key : service::setting_keys()) {
    const std::string name = key.name;
    if (!key.is_secret && name != "lang" && name != "log_level") options.setting(name);
  }
  options.examples(
      "  maru config                 every setting in force, and where it came from\n"
      "  MARU_PORT=9000 maru config  settings come from flags, MARU_* variables, maru.toml, and\n"
      "                              the page of the server (\"database\")\n"
      "  maru config unset model     forget what the page has set; a running server takes that at\n"
      "                              its next start");
  return [wish](const Context& context) { return run(context, *wish); };
}

}  // namespace

extern const Command command_config;
const Command command_config{"config", "print every setting in force and where it came from", 90,
                             declare};

}  // namespace maru::apps
