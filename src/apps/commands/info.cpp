#include <algorithm>
#include <memory>

#include "apps/command.h"
#include "apps/files.h"
#include "apps/load.h"
#include "apps/options.h"
#include "apps/terminal.h"
#include "base/json.h"
#include "base/memory_limits.h"
#include "kernels/dispatch.h"
#include "models/model.h"
#include "service/memory_plan.h"
#include "service/model_text.h"
#include "tensor/format.h"

namespace maru::apps {
namespace {

using service::format_bytes;

struct Arguments {
  std::string model;
  bool json = false;
};

struct FormatRow {
  std::string name;
  uint64_t bytes;
  std::string kernel;  // tier of the kernel that will run
};

struct Report {
  service::ModelLocation location;
  models::ModelInfo info;
  models::MemoryEstimate memory;
  uint32_t context = 0;
  std::vector<FormatRow> formats;
  std::string isa, licence, chat_template;
  MemoryLimits limits;
  Result<service::MemoryPlan> plan = Error{};
};

Result<Report> inspect(const Arguments& arguments, const service::Settings& settings) {
  Report report;
  MARU_ASSIGN_OR_RETURN(report.location, find_model(arguments.model));
  MARU_ASSIGN_OR_RETURN(report.info, read_model_info(report.location));
  MARU_ASSIGN_OR_RETURN(
      report.memory, estimate_load(report.location, report.info, settings, engine_step(settings)));
  MARU_ASSIGN_OR_RETURN(const kernels::Isa isa, kernels::choose_isa());
  const kernels::KernelSet kernels(isa);
  report.isa = kernels::isa_name(isa);
  for (const auto& [name, bytes] : report.info.format_bytes) {
    const tensor::BlockFormat* format = tensor::find_format(name);
    report.formats.push_back(
        {name, bytes,
         format == nullptr ? "none" : kernels::isa_name(kernels.linear_isa(format->layout))});
  }
  const auto text = service::load_model_text(report.location, settings.default_chat_template);
  report.licence = report.info.licence;
  if (text) {
    MARU_RETURN_IF_ERROR(
        service::check_vocabulary(report.location, *text->tokenizer, report.info.vocab_size));
    if (report.licence.empty()) report.licence = text->licence;
    report.chat_template = text->chat_template ? "yes (" + text->template_origin + ")" : "none";
  } else {
    report.chat_template = text.error().message;
  }
  report.context = settings.context == 0 ? report.info.context_length : settings.context;
  report.limits = read_memory_limits();
  report.plan = service::plan_memory(
      report.memory,
      {settings.context, report.info.context_length, uint64_t{settings.kv_memory_mib} << 20},
      report.limits);
  return report;
}

std::string grouped(uint64_t number) {
  std::string digits = std::to_string(number);
  for (size_t i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, ",");
  return digits;
}

void print_table(const Report& report) {
  const auto line = [](std::string_view name, const std::string& value) {
    write_stdout(fmt::format("{:<14} {}\n", name, printable(value)));
  };
  const models::ModelInfo& info = report.info;
  line("model", report.location.name);
  line("path", report.location.path);
  if (!info.name.empty()) line("calls itself", info.name);
  line("family", info.family);
  line("licence", report.licence.empty() ? "not stated" : report.licence);
  line("parameters", grouped(info.n_parameters));
  line("layers", fmt::format("{} (width {}, {} heads of {}, {} for keys and values)", info.n_layers,
                             info.dim, info.n_heads, info.head_dim, info.n_kv_heads));
  line("vocabulary", grouped(info.vocab_size));
  line("context", fmt::format("{} tokens", grouped(info.context_length)));
  line("chat template", report.chat_template);
  line("kernels", report.isa);
  for (const FormatRow& row : report.formats) {
    line("  " + row.name, fmt::format("{:>10}  runs on {}", format_bytes(row.bytes), row.kernel));
  }
  line("memory",
       fmt::format("weights {}, work {}, KV cache {} a token{}",
                   format_bytes(report.memory.weight_bytes), format_bytes(report.memory.work_bytes),
                   format_bytes(report.memory.kv_bytes_per_token),
                   report.memory.kv_fixed_bytes == 0
                       ? std::string()
                       : " and " + format_bytes(report.memory.kv_fixed_bytes) + " a conversation"));
  if (report.plan) {
    line("will take",
         fmt::format("{} with a context of {}; {} are free", format_bytes(report.plan->total_bytes),
                     report.plan->context_length, format_bytes(report.limits.available_bytes)));
  } else {
    line("will not fit", report.plan.error().to_string());
  }
}

void print_json(const Report& report) {
  const models::ModelInfo& info = report.info;
  Json formats = Json::object();
  for (const FormatRow& row : report.formats) {
    formats[row.name] = {{"bytes", row.bytes}, {"kernel", row.kernel}};
  }
  const uint64_t fits =
      service::largest_context(report.memory, report.limits.available_bytes, info.context_length);
  Json out = {{"name", report.location.name},
              {"path", report.location.path},
              {"family", info.family},
              {"licence", report.licence},
              {"parameters", info.n_parameters},
              {"layers", info.n_layers},
              {"dim", info.dim},
              {"heads", info.n_heads},
              {"kv_heads", info.n_kv_heads},
              {"head_dim", info.head_dim},
              {"vocab_size", info.vocab_size},
              {"context_length", info.context_length},
              {"chat_template", report.chat_template},
              {"isa", report.isa},
              {"formats", formats},
              {"memory",
               {{"weight_bytes", report.memory.weight_bytes},
                {"work_bytes", report.memory.work_bytes},
                {"kv_bytes_per_token", report.memory.kv_bytes_per_token},
                {"kv_fixed_bytes", report.memory.kv_fixed_bytes},
                {"available_bytes", report.limits.available_bytes},
                {"total_bytes", report.plan ? Json(report.plan->total_bytes) : Json()},
                {"fits", report.plan.has_value()},
                {"largest_context", fits}}}};
  write_stdout(dump_json(out) + "\n");
}

CommandBody declare(Options& options) {
  auto arguments = std::make_shared<Arguments>();
  options.argument("MODEL", arguments->model,
                   "model to look at (default: the one that would be used)", false);
  options.toggle("--json", arguments->json, "print JSON");
  options.setting("context", "-c");
  options.setting("kv_type");
  options.setting("precision");
  options.examples("  maru info model.gguf\n  maru info --json folder");
  return [arguments](const Context& context) -> Result<int> {
    if (arguments->model.empty()) arguments->model = context.settings().model;
    MARU_ASSIGN_OR_RETURN(const Report report, inspect(*arguments, context.settings()));
    if (arguments->json) {
      print_json(report);
    } else {
      print_table(report);
    }
    return 0;
  };
}

}  // namespace

extern const Command command_info;
const Command command_info{"info", "describe a model: family, size, memory, licence, kernels", 50,
                           declare};

}  // namespace maru::apps
