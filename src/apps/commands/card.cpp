#include <memory>

#include "apps/command.h"
#include "apps/files.h"
#include "apps/options.h"
#include "apps/terminal.h"
#include "base/files.h"
#include "base/json.h"
#include "service/model_card.h"

namespace maru::apps {
namespace {

struct Arguments {
  std::string model;
  bool json = false;
};

Result<int> run(const Arguments& arguments, const Context& context) {
  MARU_ASSIGN_OR_RETURN(const auto location, find_model(arguments.model));
  service::CardOptions options;
  options.cache_folder = data_folder() + "/cache/hashes";
  MARU_ASSIGN_OR_RETURN(const Json card, service::make_card(location, options));
  if (arguments.json) return write_stdout(dump_json(card) + "\n") ? 0 : kExitFailure;
  const auto language = context.say.language() == Language::kKorean
                            ? service::CardLanguage::kKorean
                            : service::CardLanguage::kEnglish;
  return write_stdout(printable(service::print_card(card, language))) ? 0 : kExitFailure;
}

CommandBody declare(Options& options) {
  auto arguments = std::make_shared<Arguments>();
  options.argument("MODEL", arguments->model, "model (default: the one that is used)", false);
  options.toggle("--json", arguments->json, "print JSON (docs/api/card.schema.json)");
  options.examples("  maru card SmolLM2-135M-Instruct\n  maru card model.gguf --json");
  return [arguments](const Context& context) { return run(*arguments, context); };
}

}  // namespace

extern const Command command_card;
const Command command_card{"card", "say what is open about a model and what is not", 46, declare};

}  // namespace maru::apps
