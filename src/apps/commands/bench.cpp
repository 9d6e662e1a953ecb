#include <algorithm>
#include <memory>
#include <numeric>
#include <optional>
#include <vector>

#include "apps/command.h"
#include "apps/files.h"
#include "apps/load.h"
#include "apps/options.h"
#include "apps/sampling_share.h"
#include "apps/solo_speed.h"
#include "apps/terminal.h"
#include "base/json.h"
#include "kernels/dispatch.h"
#include "tensor/format.h"

namespace maru::apps {
namespace {

struct Arguments {
  std::string model;
  uint32_t n_prompt = 512;
  uint32_t n_generate = 128;
  uint32_t depth = 0;
  uint32_t n_repeat = 5;
  std::string sample;
  bool json = false;
};

struct Series {
  std::vector<double> rates;  // tokens a second, one a repetition

  double median() const {
    if (rates.empty()) return 0.0;
    std::vector<double> sorted = rates;
    std::sort(sorted.begin(), sorted.end());
    const size_t middle = sorted.size() / 2;
    return sorted.size() % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  }
  double smallest() const {
    return rates.empty() ? 0.0 : *std::min_element(rates.begin(), rates.end());
  }
  double largest() const {
    return rates.empty() ? 0.0 : *std::max_element(rates.begin(), rates.end());
  }
};

Json describe(const Series& series, uint32_t n_tokens) {
  return {{"tokens", n_tokens},
          {"median", series.median()},
          {"min", series.smallest()},
          {"max", series.largest()},
          {"samples", series.rates}};
}

Json kernels_used(const SoloModel& model) {
  const kernels::KernelSet kernels(model.isa());
  Json used = Json::object();
  for (const auto& [name, bytes] : model.info().format_bytes) {
    const tensor::BlockFormat* format = tensor::find_format(name);
    if (format != nullptr) used[name] = kernels::isa_name(kernels.linear_isa(format->layout));
  }
  return used;
}

Result<int> run(const Arguments& arguments, const service::Settings& settings) {
  MARU_ASSIGN_OR_RETURN(const auto location, find_model(arguments.model));
  const uint32_t n_positions =
      std::max({arguments.n_prompt, arguments.depth + arguments.n_generate, 1U});
  MARU_ASSIGN_OR_RETURN(const auto model,
                        SoloModel::load(location, settings, n_positions, {kSoloStepTokens, 1}));
  const auto tokens = some_tokens(n_positions, model->info().vocab_size);
  std::vector<float> logits(model->info().vocab_size);
  const auto prompt = std::span(tokens).first(arguments.n_prompt);
  const auto generated = std::span(tokens).first(arguments.depth + arguments.n_generate);

  ProgressLine progress("bench");
  Series pp, tg;
  for (uint32_t round = 0; round <= arguments.n_repeat; ++round) {  // the first one warms up
    progress.show(round, arguments.n_repeat + 1);
    if (!prompt.empty()) {
      const double rate =
          tokens_per_second(prompt.size(), [&] { read_prompt(*model, prompt, logits); });
      if (round > 0) pp.rates.push_back(rate);
    }
    if (arguments.n_generate != 0) {
      // A prompt of the same tokens may stand in the cache already, but not as many of them.
      const bool is_filled = round > 0 && prompt.empty();
      if (!is_filled) read_prompt(*model, generated.first(arguments.depth), logits);
      const double rate = tokens_per_second(arguments.n_generate, [&] {
        generate_tokens(*model, generated, arguments.depth, logits);
      });
      if (round > 0) tg.rates.push_back(rate);
    }
  }
  std::optional<SamplingShare> sampling;
  if (!arguments.sample.empty()) {
    MARU_ASSIGN_OR_RETURN(const auto params,
                          parse_sampling(arguments.sample, model->info().vocab_size));
    MARU_ASSIGN_OR_RETURN(sampling, measure_sampling(*model, params, n_positions));
  }
  progress.clear();
  if (arguments.json) {
    Json out = {{"model", location.name},
                {"threads", model->pool().size()},
                {"isa", kernels::isa_name(model->isa())},
                {"kernels", kernels_used(*model)},
                {"pp_tokens_per_s", pp.median()},
                {"tg_tokens_per_s", tg.median()},
                {"pp", describe(pp, arguments.n_prompt)},
                {"tg", describe(tg, arguments.n_generate)},
                {"depth", arguments.depth}};
    if (sampling) {
      out["sampling"] = {{"parameters", arguments.sample},
                         {"step_ms", sampling->step_ms},
                         {"sampling_ms", sampling->sampling_ms},
                         {"share", sampling->share}};
    }
    write_stdout(dump_json(out) + "\n");
    return 0;
  }
  write_stdout(fmt::format("{}, {} threads, kernels {}\n", location.name, model->pool().size(),
                           dump_json(kernels_used(*model))));
  const auto print = [](const char* name, uint32_t n, const Series& series) {
    if (n == 0) return;
    write_stdout(fmt::format("{}{:<6} {:9.2f} tokens/s  (median; {:.2f} to {:.2f})\n", name, n,
                             series.median(), series.smallest(), series.largest()));
  };
  print("pp", arguments.n_prompt, pp);
  print("tg", arguments.n_generate, tg);
  if (sampling) {
    write_stdout(fmt::format("sampling {:.1f} us of {:.2f} ms a token: {:.2f} %  ({})\n",
                             sampling->sampling_ms * 1e3, sampling->step_ms + sampling->sampling_ms,
                             sampling->share * 100.0, arguments.sample));
  }
  return 0;
}

CommandBody declare(Options& options) {
  auto arguments = std::make_shared<Arguments>();
  options.argument("MODEL", arguments->model, "model to measure");
  options.solo_settings();
  options.number("-p,--prompt", arguments->n_prompt, 0, 1U << 20, "tokens of the prompt (0: skip)");
  options.number("-n,--generate", arguments->n_generate, 0, 1U << 20,
                 "tokens that are generated (0: skip)");
  options.number("-d,--depth", arguments->depth, 0, 1U << 20,
                 "tokens in the cache before tokens are generated");
  options.number("-r,--repeat", arguments->n_repeat, 1, 1000, "repetitions after one to warm up");
  options.text("--sample", arguments->sample,
               "also measure sampling with these parameters: top_k=64,top_p=0.95");
  options.toggle("--json", arguments->json, "print JSON with every sample");
  options.examples(
      "  maru bench model.gguf -t 2 -p 512 -n 128 -r 5 --json\n"
      "  MARU_FORCE_ISA=avx2 maru bench model.gguf\n"
      "  maru bench model.gguf -p 0 -n 256 --sample temperature=1,top_k=64,top_p=0.95\n"
      "pp reads a prompt in steps of 512, tg generates token by token behind --depth tokens.\n"
      "Figures are medians; leave the machine alone meanwhile.");
  return [arguments](const Context& context) { return run(*arguments, context.settings()); };
}

}  // namespace

extern const Command command_bench;
const Command command_bench{"bench", "measure speed: tokens per second of prompt and answer", 72,
                            declare};

}  // namespace maru::apps
