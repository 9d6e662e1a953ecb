#include "apps/divergence.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "apps/command.h"
#include "apps/files.h"
#include "apps/options.h"
#include "apps/terminal.h"
#include "base/json.h"
#include "service/model_text.h"

namespace maru::apps {
namespace {

constexpr size_t kStepTokens = 512;

struct Arguments {
  std::string model;
  std::string reference;
  uint32_t max_chunks = 0;
  bool json = false;
};

Result<int> run(const Arguments& arguments, const service::Settings& settings) {
  MARU_ASSIGN_OR_RETURN(const auto location, find_model(arguments.model));
  MARU_ASSIGN_OR_RETURN(const auto reference, ReferenceRun::open(arguments.reference));
  MARU_ASSIGN_OR_RETURN(const auto tokenizer, service::load_tokenizer(location));
  MARU_ASSIGN_OR_RETURN(const models::ModelInfo info, read_model_info(location));
  if (info.vocab_size != reference.n_vocab()) {
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("{} has {} words, the model has {}", arguments.reference,
                             reference.n_vocab(), info.vocab_size),
                 "make the reference with another form of the same model"};
  }
  std::optional<int32_t> bos;
  if (tokenizer->adds_bos()) bos = tokenizer->bos();
  const StepSize step{kStepTokens, logit_rows(info.vocab_size, kStepTokens)};
  MARU_ASSIGN_OR_RETURN(const auto model,
                        SoloModel::load(location, settings, reference.context(), step));
  const uint32_t n_chunks = arguments.max_chunks == 0
                                ? reference.n_chunks()
                                : std::min(arguments.max_chunks, reference.n_chunks());
  ProgressLine progress("divergence");
  const Divergence result = measure_divergence(*model, reference, n_chunks, bos, step,
                                               [&](size_t done) { progress.show(done, n_chunks); });
  progress.clear();
  if (arguments.json) {
    const Json out = {{"mean_kl", result.mean_kl},
                      {"mean_kl_error", result.kl_error},
                      {"ppl", result.ppl},
                      {"reference_ppl", result.reference_ppl},
                      {"log_ppl_ratio", result.log_ppl_ratio},
                      {"log_ppl_ratio_error", result.log_ppl_ratio_error},
                      {"same_top", result.same_top},
                      {"tokens", result.n_tokens},
                      {"chunks", n_chunks}};
    write_stdout(dump_json(out) + "\n");
    return 0;
  }
  write_stdout(
      fmt::format("mean KL divergence {:.6f} +- {:.6f} nats\n"
                  "perplexity {:.4f}, the reference's {:.4f} ({:+.3f} % +- {:.3f} %)\n"
                  "same most likely word at {:.2f} % of {} positions\n",
                  result.mean_kl, result.kl_error, result.ppl, result.reference_ppl,
                  100 * std::expm1(result.log_ppl_ratio), 100 * result.log_ppl_ratio_error,
                  100 * result.same_top, result.n_tokens));
  return 0;
}

CommandBody declare(Options& options) {
  auto arguments = std::make_shared<Arguments>();
  options.argument("MODEL", arguments->model, "model to measure");
  options.argument("REFERENCE", arguments->reference, "file of reference probabilities");
  options.number("--chunks", arguments->max_chunks, 0, 1U << 30,
                 "read only so many chunks (0: all)");
  options.toggle("--json", arguments->json, "print JSON");
  options.solo_settings();
  options.examples(
      "  llama-perplexity -m model-f32.gguf -f book.txt -c 512 --kl-divergence-base ref.kld\n"
      "  maru divergence model-q4_1.gguf ref.kld --json\n"
      "The reference names the tokens and what another form of the model gave every word;\n"
      "docs/perf says how script/bench quality uses it.");
  return [arguments](const Context& context) { return run(*arguments, context.settings()); };
}

}  // namespace

extern const Command command_divergence;
const Command command_divergence{
    "divergence", "measure how far a model is from a reference run of it", 71, declare};

}  // namespace maru::apps
