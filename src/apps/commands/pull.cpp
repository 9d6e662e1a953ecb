#include "service/pull.h"

#include <filesystem>
#include <memory>

#include "apps/command.h"
#include "apps/hub.h"
#include "apps/options.h"
#include "apps/signals.h"
#include "apps/terminal.h"
#include "apps/transfer_view.h"
#include "base/files.h"
#include "service/memory_plan.h"

namespace maru::apps {
namespace {

struct Wish {
  std::string source, name, file;
  bool wants_folder = false;
  HubWish hub;
};

bool is_on_disk(const std::string& source) {
  std::error_code code;
  return source.starts_with('/') || source.starts_with("./") || source.starts_with("../") ||
         source.starts_with('~') || std::filesystem::exists(source, code);
}

Result<service::Pulled> pull(const Wish& wish, const service::Settings& settings,
                             const service::PullCalls& calls) {
  const service::PullWish inner{
      data_folder() + "/models", wish.name, {"", wish.file, wish.wants_folder}};
  if (wish.source == "default") {
    return Error{ErrorCode::kInvalidArgument,
                 "the default model comes from a package, not from a hub",
                 "script/server fetches it and checks its hash"};
  }
  if (is_on_disk(wish.source)) return service::pull_from_disk(wish.source, inner, calls);
  return pull_by_name(wish.source, wish.hub, inner, settings, calls);
}

Result<int> run(const Wish& wish, const Context& context) {
  TransferView view(context.say);
  const auto pulled = pull(wish, context.settings(), view.calls());
  view.clear();
  if (!pulled && take_interrupt()) {
    write_stderr(context.say(Message::kPullStopped) + "\n");
    return kExitInterrupted;
  }
  if (!pulled) return pulled.error();
  const service::ModelManifest& manifest = pulled->manifest;
  if (pulled->was_there) {
    write_stderr(context.say(Message::kPullThere, manifest.name) + "\n");
  } else {
    write_stderr(context.say(Message::kPulled, manifest.name,
                             service::format_bytes(manifest.total_bytes()), manifest.files.size(),
                             printable(manifest.licence.empty() ? "?" : manifest.licence),
                             manifest.name) +
                 "\n");
  }
  write_stdout(pulled->path + "\n");
  return 0;
}

CommandBody declare(Options& options) {
  auto wish = std::make_shared<Wish>();
  options.argument("NAME", wish->source,
                   "organisation/model[:quantisation][@revision] of a Hugging Face hub, a name of "
                   "'maru recommend', or the path of a folder or GGUF file");
  options.text("--name", wish->name, "what the model is called here");
  options.text("--file", wish->file, "this GGUF file of the repository");
  options.toggle("--folder", wish->wants_folder,
                 "the safetensors, also where the repository has GGUF files");
  options.number("--connections", wish->hub.n_connections, 1, 16, "connections at the same time");
  options.number("--timeout", wish->hub.timeout_s, 1, 3600,
                 "seconds without a byte after which a connection counts as broken");
  options.number("--tries", wish->hub.n_tries, 1, 100, "tries without progress before it gives up");
  options.setting("egress_hosts");
  options.examples(
      "  maru pull Qwen/Qwen3-4B-GGUF\n"
      "  maru pull Qwen/Qwen3-4B-GGUF:Q8_0@main\n"
      "  maru pull /media/usb/Qwen3-4B\n"
      "  HF_ENDPOINT=https://hub.example MARU_EGRESS_HOSTS=hub.example maru pull org/model\n"
      "HF_ENDPOINT is the hub (default: https://huggingface.co), HF_TOKEN opens gated models.\n"
      "A pull that was cut goes on where it was.");
  return [wish](const Context& context) { return run(*wish, context); };
}

}  // namespace

extern const Command command_pull;
const Command command_pull{"pull", "bring a model in from a hub, a folder or a USB stick", 38,
                           declare};

}  // namespace maru::apps
