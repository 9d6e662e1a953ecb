#include "service/bundle.h"

#include <memory>

#include "apps/command.h"
#include "apps/options.h"
#include "apps/signals.h"
#include "apps/terminal.h"
#include "apps/transfer_view.h"
#include "base/files.h"
#include "service/memory_plan.h"

namespace maru::apps {
namespace {

struct Wish {
  std::string act, first, second;
};

std::string key_path() { return data_folder() + "/keys/bundle.key"; }

Error missing(const std::string& usage) {
  return {ErrorCode::kInvalidArgument, "something is missing", usage};
}

Result<service::BundleKey> own_key() {
  auto key = service::read_bundle_key(key_path());
  if (!key && key.error().code == ErrorCode::kNotFound) {
    return Error{ErrorCode::kNotFound, "there is no key to sign with", "maru bundle key makes one"};
  }
  return key;
}

Result<int> show_key(const Context& context) {
  auto key = service::make_bundle_key(key_path());
  const bool is_new = key.has_value();
  if (!key && key.error().code == ErrorCode::kConflict) key = service::read_bundle_key(key_path());
  if (!key) return key.error();
  const std::string text = service::print_public_key(key->public_key);
  write_stderr((is_new ? context.say(Message::kBundleKeyMade, key_path(), text)
                       : context.say(Message::kBundleKeyThere, key_path())) +
               "\n");
  write_stdout(text + "\n");
  return 0;
}

Result<int> export_model(const Context& context, const Wish& wish, const service::PullCalls& calls,
                         TransferView& view) {
  MARU_RETURN_IF_ERROR(service::check_model_name(wish.first));
  MARU_ASSIGN_OR_RETURN(const service::BundleKey key, own_key());
  const auto manifest =
      service::export_bundle(data_folder() + "/models/" + wish.first, wish.second, key, calls);
  view.clear();
  if (!manifest) return manifest.error();
  write_stderr(context.say(Message::kBundleWritten, wish.second,
                           service::format_bytes(manifest->total_bytes()),
                           service::print_public_key(key.public_key)) +
               "\n");
  return 0;
}

Result<int> import_model(const Context& context, const Wish& wish, const service::PullCalls& calls,
                         TransferView& view) {
  std::vector<std::array<uint8_t, 32>> trusted;
  for (const std::string& text : context.settings().trusted_keys) {
    MARU_ASSIGN_OR_RETURN(const auto key, service::parse_public_key(text));
    trusted.push_back(key);
  }
  // What this data folder signed itself, it may have back.
  if (const auto own = service::read_bundle_key(key_path())) trusted.push_back(own->public_key);
  const auto imported =
      service::import_bundle(wish.first, data_folder() + "/models", trusted, calls);
  view.clear();
  if (!imported) return imported.error();
  const service::ModelManifest& manifest = imported->manifest;
  write_stderr(context.say(Message::kBundleImported, manifest.name,
                           service::format_bytes(manifest.total_bytes()), manifest.files.size()) +
               "\n");
  write_stdout(imported->path + "\n");
  return 0;
}

Result<int> run(const Context& context, const Wish& wish) {
  if (wish.act == "key") return show_key(context);
  TransferView view(context.say);
  const service::PullCalls calls = view.calls();
  Result<int> code =
      Error{ErrorCode::kInvalidArgument, "there is no 'maru bundle " + wish.act + "'",
            "there are key, export and import", "act"};
  if (wish.act == "export") {
    code = wish.second.empty() ? missing("maru bundle export MODEL FILE")
                               : export_model(context, wish, calls, view);
  } else if (wish.act == "import") {
    code = wish.first.empty() || !wish.second.empty() ? missing("maru bundle import FILE")
                                                      : import_model(context, wish, calls, view);
  }
  if (!code && take_interrupt()) return kExitInterrupted;
  return code;
}

CommandBody declare(Options& options) {
  auto wish = std::make_shared<Wish>();
  options.argument("ACT", wish->act, "key, export or import");
  options.argument("MODEL", wish->first, "export: a model of the data folder; import: the file",
                   false);
  options.argument("FILE", wish->second, "export: the bundle to write", false);
  options.examples(
      "  maru bundle key                          makes a key once; prints its public half\n"
      "  maru bundle export Qwen3-4B-Q4_K_M /media/usb/qwen3.maru\n"
      "  MARU_TRUSTED_KEYS=ed25519:... maru bundle import /media/usb/qwen3.maru");
  return [wish](const Context& context) { return run(context, *wish); };
}

}  // namespace

extern const Command command_bundle;
const Command command_bundle{
    "bundle", "carry a model in one signed file to a site without a network", 42, declare};

}  // namespace maru::apps
