#include <algorithm>
#include <memory>

#include "apps/command.h"
#include "apps/load.h"
#include "apps/machine_speed.h"
#include "apps/messages.h"
#include "apps/options.h"
#include "apps/solo_speed.h"
#include "apps/table.h"
#include "apps/terminal.h"
#include "base/files.h"
#include "base/json.h"
#include "base/memory_limits.h"
#include "service/catalogue.h"
#include "service/memory_plan.h"
#include "service/model_store.h"
#include "service/recommendation.h"

namespace maru::apps {
namespace {

using service::format_bytes;
using service::Recommendation;
using service::Verdict;

constexpr uint32_t kCheckPrompt = 512, kCheckAnswer = 64;

struct Wish {
  std::string language;
  bool all = false, check = false, json = false;
  uint32_t seconds = 9;
};

struct Machine {
  service::MachineSpeed speed;
  MemoryLimits memory;
  size_t n_threads = 0;
  std::string isa;
};

std::string why_not(const Recommendation& one) {
  if (one.verdict == Verdict::kUnsupported) {
    return "family " + one.model->family + " is not supported";
  }
  return one.verdict == Verdict::kTooLarge ? "does not fit" : "";
}

std::string joined(const std::vector<std::string>& items) {
  std::string out;
  for (const std::string& item : items) out += (out.empty() ? "" : " ") + item;
  return out;
}

std::vector<Recommendation> recommend(const Machine& machine, const Wish& wish) {
  return service::recommend(service::catalogue(), machine.speed, machine.memory.available_bytes,
                            wish.language);
}

// "a|b" -> a row of a table.
std::vector<std::string> row_of(const std::string& text) {
  std::vector<std::string> cells;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find('|', begin), text.size());
    cells.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return cells;
}

Json describe(const Machine& machine, const Wish& wish) {
  Json rows = Json::array();
  Json pick;
  for (const Recommendation& one : recommend(machine, wish)) {
    if (one.verdict == Verdict::kRecommended) pick = one.model->id;
    rows.push_back({{"id", one.model->id},
                    {"name", service::catalogue_name(*one.model)},
                    {"licence", one.model->licence},
                    {"licence_note", one.model->licence_note},
                    {"bytes", one.model->bytes},
                    {"memory_bytes", one.memory_bytes},
                    {"context_length", one.context_length},
                    {"verdict", service::verdict_name(one.verdict)},
                    {"why_not", why_not(one)},
                    {"prompt_tokens_per_s", one.speed->prompt_tokens_per_s},
                    {"answer_tokens_per_s", one.speed->answer_tokens_per_s}});
  }
  return {{"threads", machine.n_threads},
          {"isa", machine.isa},
          {"available_bytes", machine.memory.available_bytes},
          {"read_bytes_per_s", machine.speed.read_bytes_per_s},
          {"macs_per_s", machine.speed.macs_per_s},
          {"pick", std::move(pick)},
          {"models", std::move(rows)}};
}

void print(const Context& context, const Machine& machine, const Wish& wish) {
  write_stdout(context.say(Message::kRecommendMachine, machine.n_threads, machine.isa,
                           format_bytes(machine.memory.available_bytes),
                           format_bytes(machine.memory.total_bytes),
                           fmt::format("{:.1f}", machine.speed.read_bytes_per_s * 1e-9),
                           fmt::format("{:.0f}", machine.speed.macs_per_s * 1e-9)) +
               "\n");
  std::vector<std::vector<std::string>> rows = {row_of(context.say(Message::kRecommendColumns))};
  std::string notes;
  std::string pick;
  for (const Recommendation& one : recommend(machine, wish)) {
    const service::CatalogueModel& model = *one.model;
    const std::string reason = why_not(one);
    if (one.verdict == Verdict::kRecommended) pick = model.id;
    if (!reason.empty() && !wish.all) continue;
    rows.push_back({model.id, joined(model.languages), format_bytes(model.bytes),
                    format_bytes(one.memory_bytes),
                    fmt::format("{:.0f}", one.speed->prompt_tokens_per_s),
                    fmt::format("{:.1f}", one.speed->answer_tokens_per_s),
                    reason.empty() ? model.licence : model.licence + " (" + reason + ")"});
    if (!model.licence_note.empty()) notes += model.id + ": " + model.licence_note + "\n";
  }
  if (rows.size() > 1) write_stdout(print_table(rows) + notes);
  write_stderr((pick.empty() ? context.say(Message::kRecommendNothing)
                             : context.say(Message::kRecommendNotes, pick)) +
               "\n");
}

// Predicted and measured speed of the models that are here.
Result<int> check(const Context& context, const Machine& machine, bool json) {
  std::vector<std::vector<std::string>> rows = {row_of(context.say(Message::kRecommendCheck))};
  Json out = Json::array();
  const service::ModelStore store(data_folder() + "/models");
  for (const service::ModelLocation& location : store.list()) {
    const auto loaded = SoloModel::load(location, context.settings(), kCheckPrompt + kCheckAnswer,
                                        {kSoloStepTokens, 1});
    if (!loaded) {  // an embedding model, say: told, and left aside
      write_stderr(printable(location.name + ": " + loaded.error().message) + "\n");
      continue;
    }
    SoloModel* model = loaded->get();
    const models::ModelInfo& info = model->info();
    uint64_t n_bytes = 0;
    for (const auto& [format, bytes] : info.format_bytes) n_bytes += bytes;
    const service::PredictedSpeed predicted =
        service::predict_speed(machine.speed, n_bytes, info.n_parameters);
    const auto tokens = some_tokens(kCheckPrompt + kCheckAnswer, info.vocab_size);
    std::vector<float> logits(info.vocab_size);
    const auto prompt = std::span(tokens).first(kCheckPrompt);
    read_prompt(*model, prompt, logits);  // warms up
    const double pp = tokens_per_second(kCheckPrompt, [&] { read_prompt(*model, prompt, logits); });
    const double tg = tokens_per_second(
        kCheckAnswer, [&] { generate_tokens(*model, tokens, kCheckPrompt, logits); });
    rows.push_back(
        {location.name, fmt::format("{:.0f}", predicted.prompt_tokens_per_s),
         fmt::format("{:.0f} ({:+.0f} %)", pp, 100 * (pp / predicted.prompt_tokens_per_s - 1)),
         fmt::format("{:.1f}", predicted.answer_tokens_per_s),
         fmt::format("{:.1f} ({:+.0f} %)", tg, 100 * (tg / predicted.answer_tokens_per_s - 1))});
    out.push_back({{"model", location.name},
                   {"predicted_prompt_tokens_per_s", predicted.prompt_tokens_per_s},
                   {"prompt_tokens_per_s", pp},
                   {"predicted_answer_tokens_per_s", predicted.answer_tokens_per_s},
                   {"answer_tokens_per_s", tg}});
  }
  if (rows.size() == 1 && !json)
    write_stderr(context.say(Message::kNoModels, store.folder()) + "\n");
  if (json) {
    write_stdout(dump_json(out) + "\n");
  } else if (rows.size() > 1) {
    write_stdout(print_table(rows));
  }
  return 0;
}

Result<int> run(const Context& context, const Wish& wish) {
  Machine machine;
  machine.memory = read_memory_limits();
  machine.n_threads = thread_count(context.settings());
  MARU_ASSIGN_OR_RETURN(const kernels::Isa isa, kernels::choose_isa());
  machine.isa = kernels::isa_name(isa);
  {
    ThreadPool pool(machine.n_threads);
    machine.speed = measure_machine(isa, pool, machine.memory.available_bytes,
                                    std::chrono::seconds(wish.seconds));
  }
  if (wish.check) return check(context, machine, wish.json);
  if (wish.json) {
    write_stdout(dump_json(describe(machine, wish)) + "\n");
  } else {
    print(context, machine, wish);
  }
  return 0;
}

CommandBody declare(Options& options) {
  auto wish = std::make_shared<Wish>();
  options.text("--language", wish->language, "only models that speak it: ko, en, ...");
  options.toggle("--all", wish->all, "also those that don't fit or are not supported, with why");
  options.toggle("--check", wish->check,
                 "hold the prediction against the models that are here, by measuring them");
  options.toggle("--json", wish->json, "print JSON");
  options.number("--seconds", wish->seconds, 1, 600, "how long to measure");
  options.setting("threads", "-t");
  options.examples(
      "  maru recommend --language ko\n"
      "  maru recommend --check\n"
      "Measures for ten seconds; leave the machine alone meanwhile. Memory is for a context of\n"
      "4,096 tokens; speeds are upper bounds for one conversation at its beginning.");
  return [wish](const Context& context) { return run(context, *wish); };
}

}  // namespace

extern const Command command_recommend;
const Command command_recommend{"recommend", "which good models fit this machine, and how fast", 37,
                                declare};

}  // namespace maru::apps
