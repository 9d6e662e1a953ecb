#include "apps/version.h"

#include "apps/command.h"
#include "apps/options.h"
#include "apps/terminal.h"
#include "kernels/dispatch.h"

namespace maru::apps {
namespace {

CommandBody declare(Options&) {
  return [](const Context&) -> Result<int> {
    write_stdout(version_line() + "\n");
    std::string names;  // the one that is chosen first
    for (kernels::Isa isa : kernels::supported_isas()) {
      names = kernels::isa_name(isa) + (names.empty() ? "" : " " + names);
    }
    write_stdout(fmt::format("kernels: {}\n", names));
    return 0;
  };
}

}  // namespace

extern const Command command_version;
const Command command_version{"version", "print the program's version and this machine's kernels",
                              100, declare};

}  // namespace maru::apps
