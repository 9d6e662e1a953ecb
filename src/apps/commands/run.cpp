#include <memory>

#include "apps/answerer.h"
#include "apps/command.h"
#include "apps/conversation.h"
#include "apps/files.h"
#include "apps/options.h"
#include "apps/sampling_options.h"
#include "apps/signals.h"
#include "apps/terminal.h"
#include "base/json.h"

namespace maru::apps {
namespace {

constexpr size_t kMaxInputBytes = size_t{64} << 20;

struct Arguments {
  std::string question;
  std::string system;
  bool raw = false;
  bool own_engine = false;
  SamplingOptions sampling;
};

// The question, then what was piped in.
Result<std::string> whole_question(const Arguments& arguments) {
  std::string text = arguments.question;
  if (!stdin_is_terminal()) {
    MARU_ASSIGN_OR_RETURN(std::string input, read_stdin(kMaxInputBytes));
    if (!arguments.raw) {
      while (input.ends_with('\n')) input.pop_back();
    }
    if (!text.empty() && !input.empty()) text += "\n\n";
    text += input;
  }
  if (text.empty()) {
    return Error{ErrorCode::kInvalidArgument, "there is no question",
                 "maru run \"question\", or pipe a text in"};
  }
  return text;
}

Result<Question> make_question(const Arguments& arguments) {
  MARU_ASSIGN_OR_RETURN(const ChatOptions sampling, chat_options(arguments.sampling));
  MARU_ASSIGN_OR_RETURN(const std::string text, whole_question(arguments));
  Question question;
  question.temperature = sampling.temperature;
  question.top_p = sampling.top_p;
  question.seed = sampling.seed;
  question.max_tokens = sampling.max_tokens;
  if (arguments.raw) {
    question.text = text;
    return question;
  }
  Conversation conversation;
  conversation.set_system(arguments.system);
  conversation.add("user", text);
  question.messages = std::make_shared<const Json>(conversation.messages());
  return question;
}

Result<int> run(const Arguments& arguments, const Context& context) {
  if (arguments.raw && !arguments.system.empty()) {
    return Error{ErrorCode::kInvalidArgument, "--raw and --system exclude each other",
                 "a raw text has no instruction"};
  }
  MARU_ASSIGN_OR_RETURN(const Question question, make_question(arguments));
  watch_interrupts();
  MARU_ASSIGN_OR_RETURN(const auto answerer, make_answerer(context, !arguments.own_engine));
  const bool on_terminal = stdout_is_terminal();
  bool ends_line = false;
  bool is_read = true;  // by whoever is at the other end of the pipe
  ProgressLine progress(context.say(Message::kReadingPrompt));
  AnswerHooks hooks;
  hooks.on_text = [&](std::string_view text) {
    progress.clear();
    if (!text.empty()) ends_line = text.ends_with('\n');
    if (is_read) is_read = on_terminal ? write_stdout(printable(text)) : write_stdout(text);
  };
  hooks.on_read = [&](uint32_t done, uint32_t all) {
    if (done < all) progress.show(done, all);
  };
  hooks.should_stop = [&] { return is_interrupted() || !is_read; };
  MARU_ASSIGN_OR_RETURN(const AnswerEnd end, answerer->answer(question, hooks));
  progress.clear();
  if (is_read && !ends_line) write_stdout("\n");
  if (end == AnswerEnd::kStopped) return is_interrupted() ? kExitInterrupted : kExitFailure;
  if (end == AnswerEnd::kCut && stderr_is_terminal()) {
    write_stderr(context.say(Message::kChatCut) + "\n");
  }
  return 0;
}

CommandBody declare(Options& options) {
  auto arguments = std::make_shared<Arguments>();
  options.argument("QUESTION", arguments->question, "what to answer; piped input comes after it",
                   false);
  options.text("-s,--system", arguments->system, "instruction for the answer");
  options.toggle("--raw", arguments->raw, "go on with the text as it is (no chat template)");
  declare_answering(options, arguments->own_engine, arguments->sampling);
  options.examples(
      "  maru run \"Why is the sky blue?\"\n"
      "  maru run \"Summarise this text:\" < report.txt > summary.txt\n"
      "  maru run --model base.gguf --raw \"Once upon a time\"\n"
      "Standard output gets the answer and nothing else.");
  return [arguments](const Context& context) { return run(*arguments, context); };
}

}  // namespace

extern const Command command_run;
const Command command_run{"run", "answer one question", 30, declare};

}  // namespace maru::apps
