#include <memory>

#include "apps/chat_session.h"
#include "apps/command.h"
#include "apps/options.h"
#include "apps/sampling_options.h"
#include "apps/signals.h"

namespace maru::apps {
namespace {

struct Arguments {
  std::string system;
  std::string load;
  bool own_engine = false;
  SamplingOptions sampling;
};

Result<int> run(const Arguments& arguments, const Context& context) {
  MARU_ASSIGN_OR_RETURN(const ChatOptions options, chat_options(arguments.sampling));
  watch_interrupts();
  MARU_ASSIGN_OR_RETURN(const auto answerer, make_answerer(context, !arguments.own_engine));
  ChatSession session(context, *answerer, options);
  if (!arguments.load.empty()) MARU_RETURN_IF_ERROR(session.load(arguments.load));
  if (!arguments.system.empty()) session.set_system(arguments.system);
  session.run();
  return 0;
}

CommandBody declare(Options& options) {
  auto arguments = std::make_shared<Arguments>();
  options.text("-s,--system", arguments->system, "instruction that the conversation starts with");
  options.text("--load", arguments->load, "conversation to go on with (see /save)");
  declare_answering(options, arguments->own_engine, arguments->sampling);
  options.examples(
      "  maru chat\n"
      "  maru chat --model model.gguf --system 'Answer in one sentence.'\n"
      "Uses the server at host and port if one runs with this model, else starts the engine "
      "itself.\n"
      "/help in the chat shows its commands; Ctrl-C stops an answer, Ctrl-D leaves.");
  return [arguments](const Context& context) { return run(*arguments, context); };
}

}  // namespace

extern const Command command_chat;
const Command command_chat{"chat", "talk with a model in this terminal", 20, declare};

}  // namespace maru::apps
