#include <algorithm>

#include "apps/command.h"
#include "apps/options.h"
#include "apps/terminal.h"
#include "base/files.h"
#include "base/json.h"

namespace maru::apps {
namespace {

struct Arguments {
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

CommandBody declare(Options& options) {
  auto arguments = std::make_shared<Arguments>();
  options.toggle("--json", arguments->json, "print JSON");
  for (const service::SettingKey& key : service::setting_keys()) {
    const std::string name = key.name;
    if (!key.is_secret && name != "lang" && name != "log_level") options.setting(name);
  }
  options.examples(
      "  maru config                 every setting in force, and where it came from\n"
      "  MARU_PORT=9000 maru config  settings come from flags, MARU_* variables, maru.toml");
  return [arguments](const Context& context) -> Result<int> {
    if (arguments->json) {
      print_json(context.config);
    } else {
      print_table(context.config);
    }
    return 0;
  };
}

}  // namespace

extern const Command command_config;
const Command command_config{"config", "print every setting in force and where it came from", 90,
                             declare};

}  // namespace maru::apps
