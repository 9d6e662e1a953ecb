#include <algorithm>
#include <array>
#include <memory>

#include "apps/command.h"
#include "apps/files.h"
#include "apps/load.h"
#include "apps/options.h"
#include "apps/terminal.h"
#include "formats/npy.h"

namespace maru::apps {
namespace {

constexpr size_t kMaxChunk = 256;

struct Arguments {
  std::string model;
  std::string tokens;
  std::string out;
};

Result<int> run(const Arguments& arguments, const service::Settings& settings) {
  MARU_ASSIGN_OR_RETURN(const auto location, find_model(arguments.model));
  MARU_ASSIGN_OR_RETURN(const auto ids, read_token_ids(arguments.tokens));
  if (ids.empty()) {
    return Error{ErrorCode::kInvalidArgument, arguments.tokens + ": holds no token ids",
                 "logits need at least one"};
  }
  MARU_ASSIGN_OR_RETURN(const models::ModelInfo info, read_model_info(location));
  MARU_RETURN_IF_ERROR(check_token_ids(ids, info.vocab_size, arguments.tokens));
  if (ids.size() > info.context_length) {
    return Error{ErrorCode::kTooLarge,
                 fmt::format("{}: {} tokens are more than the model's context of {}",
                             arguments.tokens, ids.size(), info.context_length),
                 "pass fewer tokens"};
  }
  const size_t n_vocab = info.vocab_size;
  const size_t chunk = logit_rows(info.vocab_size, kMaxChunk);
  MARU_ASSIGN_OR_RETURN(
      const auto model,
      SoloModel::load(location, settings, static_cast<uint32_t>(ids.size()), {chunk, chunk}));
  MARU_ASSIGN_OR_RETURN(const auto file, FileWriter::create(arguments.out));
  const std::array<uint64_t, 2> shape = {ids.size(), n_vocab};
  MARU_RETURN_IF_ERROR(file->write(formats::npy_header<float>(shape)));

  ProgressLine progress("logits");
  std::vector<float> logits(chunk * n_vocab);
  for (size_t begin = 0; begin < ids.size(); begin += chunk) {
    const size_t count = std::min(chunk, ids.size() - begin);
    model->run(std::span(ids).subspan(begin, count), static_cast<uint32_t>(begin),
               models::LogitsWanted::kAll, logits.data());
    MARU_RETURN_IF_ERROR(file->write(
        {reinterpret_cast<const char*>(logits.data()), count * n_vocab * sizeof(float)}));
    progress.show(begin + count, ids.size());
  }
  MARU_RETURN_IF_ERROR(file->finish());
  return 0;
}

CommandBody declare(Options& options) {
  auto arguments = std::make_shared<Arguments>();
  options.argument("MODEL", arguments->model, "model to run");
  options.text("--tokens", arguments->tokens, "JSON array of token ids ('-': standard input)",
               true);
  options.text("-o,--out", arguments->out, "file to write: .npy, float32 [tokens, vocabulary]",
               true);
  options.solo_settings();
  options.examples(
      "  maru tokenize model.gguf --file text.txt > ids.json\n"
      "  maru logits model.gguf --tokens ids.json --out logits.npy\n"
      "The ids are read as they are: no bos is added.");
  return [arguments](const Context& context) { return run(*arguments, context.settings()); };
}

}  // namespace

extern const Command command_logits;
const Command command_logits{"logits", "write the logits of every position of a list of tokens", 70,
                             declare};

}  // namespace maru::apps
