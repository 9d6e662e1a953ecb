#include <memory>

#include "apps/command.h"
#include "apps/options.h"
#include "apps/terminal.h"
#include "base/files.h"
#include "base/json.h"
#include "service/model_store.h"

namespace maru::apps {
namespace {

CommandBody declare(Options& options) {
  auto json = std::make_shared<bool>(false);
  options.toggle("--json", *json, "print JSON");
  options.examples("  maru models");
  return [json](const Context& context) -> Result<int> {
    const service::ModelStore store(data_folder() + "/models");
    const auto models = store.list();
    if (*json) {
      Json out = Json::array();
      for (const auto& model : models) out.push_back({{"name", model.name}, {"path", model.path}});
      write_stdout(dump_json(out) + "\n");
      return 0;
    }
    if (models.empty()) write_stderr(context.say(Message::kNoModels, store.folder()) + "\n");
    for (const auto& model : models) write_stdout(model.name + "\t" + model.path + "\n");
    return 0;
  };
}

}  // namespace

extern const Command command_models;
const Command command_models{"models", "list the models of the data folder", 40, declare};

}  // namespace maru::apps
