// The `maru` program: finds the subcommand, reads the settings, runs it, explains what failed.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <clocale>
#include <csignal>
#include <span>
#include <string>
#include <vector>

#include "apps/command.h"
#include "apps/options.h"
#include "apps/terminal.h"
#include "apps/version.h"
#include "base/log.h"

namespace maru::apps {

extern const Command* const command_table[];
extern const unsigned long command_table_size;

namespace {

constexpr const char* kFooter =
    "\nMODEL is a GGUF file, a Hugging Face folder, or the name of a model in the data folder.\n"
    "'maru COMMAND --help' explains a command. Settings also come from maru.toml: see 'maru "
    "config'.";

struct Declared {
  CLI::App* app;
  CommandBody body;
};

void report(const Phrases& say, const Error& error) {
  write_stderr(say(Message::kError, printable(error.message)) + "\n");
  if (!error.hint.empty()) write_stderr(say(Message::kHint, printable(error.hint)) + "\n");
}

// Terminal texts and widths are UTF-8, whatever the locale of a bare system says.
void use_utf8() {
  std::setlocale(LC_CTYPE, "");
  if (MB_CUR_MAX == 1) std::setlocale(LC_CTYPE, "C.UTF-8");
}

std::string wanted_language(const SettingFlags& flags) {
  for (const auto& [key, text] : flags) {
    if (key == "lang") return text;
  }
  return {};
}

int run_command(const CommandBody& body, const service::ConfigSources& sources) {
  const auto config = service::Config::load(sources);
  if (!config) {
    report(Phrases(choose_language(wanted_language(sources.flags))), config.error());
    return exit_code(config.error().code);
  }
  set_log_level(log_level_of(config->settings().log_level));
  const Phrases say(choose_language(config->settings().lang));
  const auto code = body(Context{*config, say});
  if (code) return *code;
  report(say, code.error());
  return exit_code(code.error().code);
}

int run_program(int argc, char** argv) {
  use_utf8();
  std::signal(SIGPIPE, SIG_IGN);
  CLI::App app("Maru: open-weight language models on your own machine.", "maru");
  app.footer(kFooter);
  app.set_version_flag("--version", version_line());
  app.require_subcommand(0, 1);

  service::ConfigSources sources;
  SettingFlags flags;
  std::vector<const Command*> commands(command_table, command_table + command_table_size);
  std::sort(commands.begin(), commands.end(),
            [](const Command* a, const Command* b) { return a->order < b->order; });
  std::vector<Declared> declared;
  for (const Command* command : commands) {
    CLI::App* sub = app.add_subcommand(command->name, command->summary);
    Options options(*sub, flags);
    declared.push_back({sub, command->declare(options)});
    sub->add_option("--config", sources.file,
                    "settings file (default: ./maru.toml, then the data folder's)");
    options.setting("lang");
    options.setting("log_level");
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& answer) {  // --help, --version
    return app.exit(answer);
  } catch (const CLI::ParseError& error) {
    const Phrases say(choose_language(wanted_language(flags)));
    const auto used = app.get_subcommands();
    report(say, Error{ErrorCode::kInvalidArgument, error.what(),
                      used.empty() ? "see maru --help"
                                   : "see maru " + used.front()->get_name() + " --help"});
    return kExitInput;
  }
  sources.flags = std::move(flags);
  for (const Declared& command : declared) {
    if (command.app->parsed()) return run_command(command.body, sources);
  }
  write_stdout(app.help());
  return 0;
}

}  // namespace

int exit_code(ErrorCode code) {
  switch (code) {
    case ErrorCode::kUnavailable:
    case ErrorCode::kRateLimited:
    case ErrorCode::kInternal: return kExitFailure;
    default: return kExitInput;
  }
}

}  // namespace maru::apps

int main(int argc, char** argv) {
  try {
    return maru::apps::run_program(argc, argv);
  } catch (const std::exception& error) {  // memory gone, or a library that throws
    maru::apps::write_stderr(std::string("error: ") + error.what() + "\n");
    return maru::apps::kExitFailure;
  }
}
