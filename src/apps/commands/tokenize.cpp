#include <memory>

#include "apps/command.h"
#include "apps/files.h"
#include "apps/options.h"
#include "apps/terminal.h"
#include "service/model_text.h"

namespace maru::apps {
namespace {

constexpr size_t kMaxTextBytes = size_t{1} << 30;

struct Arguments {
  std::string model;
  std::string file;
};

Result<int> run(const Arguments& arguments) {
  MARU_ASSIGN_OR_RETURN(const auto location, find_model(arguments.model));
  MARU_ASSIGN_OR_RETURN(const auto tokenizer, service::load_tokenizer(location));
  MARU_ASSIGN_OR_RETURN(const std::string text, read_input(arguments.file, kMaxTextBytes));
  std::string out = "[";
  for (const text::TokenId id : tokenizer->encode(text)) {
    if (out.size() > 1) out += ", ";
    out += std::to_string(id);
  }
  out += "]\n";
  return write_stdout(out) ? 0 : kExitFailure;
}

CommandBody declare(Options& options) {
  auto arguments = std::make_shared<Arguments>();
  options.argument("MODEL", arguments->model,
                   "model, or only its tokenizer.json or the folder that holds it");
  options.text("-f,--file", arguments->file, "text to read ('-': standard input)", true);
  options.examples(
      "  maru tokenize model.gguf --file text.txt\n"
      "  echo -n 'Hello' | maru tokenize folder/tokenizer.json --file -\n"
      "Prints a JSON array of token ids. No special token is added, and none is recognised in the "
      "text.");
  return [arguments](const Context&) { return run(*arguments); };
}

}  // namespace

extern const Command command_tokenize;
const Command command_tokenize{"tokenize", "print the token ids of a file's text", 60, declare};

}  // namespace maru::apps
