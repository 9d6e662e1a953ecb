// What a subcommand is. One file of src/apps/commands defines one, named command_<file>; main.cpp
// finds them all in a generated table.
#pragma once

#include <functional>

#include "apps/messages.h"
#include "base/result.h"
#include "service/config.h"

namespace maru::apps {

class Options;

// What every command gets: settings with their origins, and the words in the user's language.
struct Context {
  const service::Config& config;
  const Phrases& say;

  const service::Settings& settings() const { return config.settings(); }
};

// Runs the command; the value is the program's exit code.
using CommandBody = std::function<Result<int>(const Context&)>;

struct Command {
  const char* name;
  const char* summary;  // one line of `maru --help`
  int order;            // of that list: everyday commands first
  // Declares options and arguments; the body sees their values.
  CommandBody (*declare)(Options& options);
};

inline constexpr int kExitFailure = 1;        // the machine, a bug, a server
inline constexpr int kExitInput = 2;          // what the user gave is wrong
inline constexpr int kExitInterrupted = 130;  // Ctrl-C

// Of a command that failed.
int exit_code(ErrorCode code);

}  // namespace maru::apps
