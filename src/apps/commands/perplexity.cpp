#include "apps/perplexity.h"

#include <memory>

#include "apps/command.h"
#include "apps/files.h"
#include "apps/options.h"
#include "apps/terminal.h"
#include "base/json.h"
#include "service/model_text.h"

namespace maru::apps {
namespace {

constexpr size_t kMaxTextBytes = size_t{1} << 30;
constexpr size_t kStepTokens = 512;

struct Arguments {
  std::string model;
  std::string file;
  uint32_t context = 512;
  uint32_t max_chunks = 0;
  bool json = false;
};

Result<int> run(const Arguments& arguments, const service::Settings& settings) {
  MARU_ASSIGN_OR_RETURN(const auto location, find_model(arguments.model));
  MARU_ASSIGN_OR_RETURN(const auto tokenizer, service::load_tokenizer(location));
  MARU_ASSIGN_OR_RETURN(const std::string text, read_input(arguments.file, kMaxTextBytes));
  std::vector<int32_t> tokens = tokenizer->encode(text);
  std::optional<int32_t> bos;
  if (tokenizer->adds_bos()) bos = tokenizer->bos();
  if (bos) tokens.insert(tokens.begin(), *bos);
  if (tokens.size() < arguments.context) {
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("{} holds {} tokens, fewer than one chunk of {}", arguments.file,
                             tokens.size(), arguments.context),
                 "use a longer text or a smaller --ctx"};
  }
  if (arguments.max_chunks != 0) {
    tokens.resize(
        std::min<size_t>(tokens.size(), size_t{arguments.max_chunks} * arguments.context));
  }
  MARU_ASSIGN_OR_RETURN(const models::ModelInfo info, read_model_info(location));
  MARU_RETURN_IF_ERROR(check_token_ids(tokens, info.vocab_size, arguments.file));
  const StepSize step{kStepTokens, logit_rows(info.vocab_size, kStepTokens)};
  MARU_ASSIGN_OR_RETURN(const auto model,
                        SoloModel::load(location, settings, arguments.context, step));
  const size_t n_chunks = tokens.size() / arguments.context;
  ProgressLine progress("perplexity");
  const Perplexity result = measure_perplexity(
      *model, tokens, arguments.context, bos, step, [&](const Perplexity& so_far, size_t n_done) {
        progress.show(n_done, n_chunks, fmt::format("ppl {:.4f}", so_far.ppl));
      });
  progress.clear();
  if (arguments.json) {
    const Json out = {{"ppl", result.ppl},
                      {"nll", result.nll},
                      {"tokens", result.n_tokens},
                      {"chunks", n_chunks},
                      {"ctx", arguments.context}};
    write_stdout(dump_json(out) + "\n");
  } else {
    write_stdout(fmt::format("perplexity {:.4f} (nll {:.5f} over {} tokens, {} chunks of {})\n",
                             result.ppl, result.nll, result.n_tokens, n_chunks, arguments.context));
  }
  return 0;
}

CommandBody declare(Options& options) {
  auto arguments = std::make_shared<Arguments>();
  options.argument("MODEL", arguments->model, "model to measure");
  options.argument("FILE", arguments->file, "text to read ('-': standard input)");
  options.number("--ctx", arguments->context, 8, 1U << 20, "tokens of a chunk");
  options.number("--chunks", arguments->max_chunks, 0, 1U << 30,
                 "read only so many chunks (0: all)");
  options.toggle("--json", arguments->json, "print {\"ppl\", \"nll\", \"tokens\"}");
  options.solo_settings();
  options.examples(
      "  maru perplexity model.gguf book.txt --ctx 512 --json\n"
      "The text is cut into chunks of --ctx tokens; the second half of each is scored, with the\n"
      "first half as context: the method of llama.cpp's perplexity tool, so that figures compare.");
  return [arguments](const Context& context) { return run(*arguments, context.settings()); };
}

}  // namespace

extern const Command command_perplexity;
const Command command_perplexity{"perplexity", "measure how well a model predicts a text", 71,
                                 declare};

}  // namespace maru::apps
