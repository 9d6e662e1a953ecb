#include <filesystem>
#include <memory>

#include "apps/command.h"
#include "apps/options.h"
#include "apps/terminal.h"
#include "apps/transfer_view.h"
#include "base/files.h"
#include "base/json.h"
#include "service/memory_plan.h"
#include "service/model_manifest.h"
#include "service/model_staging.h"
#include "service/model_store.h"

namespace maru::apps {
namespace {

struct Wish {
  std::string act, model;
  bool json = false;
};

// The folder that a model of the data folder is in, with its manifest.
struct Kept {
  std::string folder;
  service::ModelManifest manifest;
};

Result<Kept> find_kept(const service::ModelStore& store, const std::string& model) {
  MARU_RETURN_IF_ERROR(service::check_model_name(model));
  Kept kept{store.folder() + "/" + model, {}};
  auto manifest = service::read_manifest(kept.folder);
  if (!manifest && manifest.error().code == ErrorCode::kNotFound) {
    MARU_ASSIGN_OR_RETURN(const auto location, store.find(model));
    return Error{ErrorCode::kNotFound, "the model " + model + " has no manifest",
                 "it was put there by hand; 'maru pull " + location.path +
                     " --name NAME' brings a copy in and writes one"};
  }
  if (!manifest) return manifest.error();
  kept.manifest = *std::move(manifest);
  return kept;
}

int list(const Context& context, const service::ModelStore& store, bool json) {
  const auto models = store.list();
  if (json) {
    Json out = Json::array();
    for (const auto& model : models) out.push_back({{"name", model.name}, {"path", model.path}});
    write_stdout(dump_json(out) + "\n");
    return 0;
  }
  if (models.empty()) write_stderr(context.say(Message::kNoModels, store.folder()) + "\n");
  for (const auto& model : models) write_stdout(model.name + "\t" + model.path + "\n");
  return 0;
}

void print_info(const Kept& kept) {
  const auto line = [](std::string_view name, const std::string& value) {
    if (!value.empty()) write_stdout(fmt::format("{:<12} {}\n", name, printable(value)));
  };
  const service::ModelManifest& manifest = kept.manifest;
  line("model", manifest.name);
  line("folder", kept.folder);
  line("licence", manifest.licence.empty() ? "not stated" : manifest.licence);
  line("came from", manifest.origin.place);
  line("repository", manifest.origin.repository);
  line("revision", manifest.origin.revision);
  line("commit", manifest.origin.commit);
  line("signed by", manifest.signer);
  for (const service::ModelFile& file : manifest.files) {
    line(service::format_bytes(file.bytes), file.sha256 + "  " + file.path);
  }
}

Result<int> verify(const Context& context, const Kept& kept) {
  TransferView view(context.say);
  const service::PullCalls calls = view.calls();
  uint64_t n_done = 0;
  const auto on_bytes = [&](uint64_t n) {
    n_done += n;
    calls.on_progress({service::PullProgress::Stage::kChecking, kept.manifest.name, n_done,
                       kept.manifest.total_bytes(), 0});
    return !calls.should_stop();
  };
  const auto faults = service::verify_files(kept.folder, kept.manifest, on_bytes);
  view.clear();
  if (!faults && calls.should_stop()) return kExitInterrupted;
  if (!faults) return faults.error();
  for (const std::string& fault : *faults) {
    write_stdout(context.say(Message::kModelFault, kept.manifest.name, printable(fault)) + "\n");
  }
  if (!faults->empty()) return kExitFailure;
  write_stdout(context.say(Message::kModelSound, kept.manifest.name, kept.manifest.files.size()) +
               "\n");
  return 0;
}

Result<int> run(const Context& context, const Wish& wish) {
  const service::ModelStore store(data_folder() + "/models");
  if (wish.act == "list") return list(context, store, wish.json);
  if (wish.act != "info" && wish.act != "verify" && wish.act != "remove") {
    return Error{ErrorCode::kInvalidArgument, "there is no 'maru models " + wish.act + "'",
                 "there are list, info, verify and remove", "act"};
  }
  if (wish.model.empty()) {
    return Error{ErrorCode::kInvalidArgument, "no model is named",
                 "maru models " + wish.act + " NAME", "model"};
  }
  if (wish.act == "remove") {
    MARU_RETURN_IF_ERROR(service::remove_model(store.folder(), wish.model));
    write_stderr(context.say(Message::kModelRemoved, wish.model) + "\n");
    return 0;
  }
  MARU_ASSIGN_OR_RETURN(const Kept kept, find_kept(store, wish.model));
  if (wish.act == "verify") return verify(context, kept);
  if (wish.json) {
    write_stdout(service::print_manifest(kept.manifest) + "\n");
  } else {
    print_info(kept);
  }
  return 0;
}

CommandBody declare(Options& options) {
  auto wish = std::make_shared<Wish>();
  wish->act = "list";
  options.argument("ACT", wish->act, "list (the default), info, verify or remove", false);
  options.argument("MODEL", wish->model, "its name in the data folder", false);
  options.toggle("--json", wish->json, "list and info: print JSON");
  options.examples(
      "  maru models\n"
      "  maru models info Qwen3-4B-Q4_K_M      where it came from, licence, hashes\n"
      "  maru models verify Qwen3-4B-Q4_K_M    reads every byte again\n"
      "  maru models remove Qwen3-4B-Q4_K_M");
  return [wish](const Context& context) { return run(context, *wish); };
}

}  // namespace

extern const Command command_models;
const Command command_models{
    "models", "list, describe, verify and remove models of the data folder", 40, declare};

}  // namespace maru::apps
