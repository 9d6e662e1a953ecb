#include <chrono>
#include <memory>

#include "api/server.h"
#include "apps/command.h"
#include "apps/host.h"
#include "apps/options.h"
#include "apps/server_url.h"
#include "apps/signals.h"
#include "apps/terminal.h"
#include "base/log.h"
#include "kernels/dispatch.h"

namespace maru::apps {
namespace {

constexpr std::chrono::milliseconds kGrace{3'000};

api::ApiOptions api_options(const service::Settings& settings) {
  api::ApiOptions options;
  options.http.host = settings.host;
  options.http.port = static_cast<uint16_t>(settings.port);
  options.allowed_hosts = settings.allowed_hosts;
  options.allowed_origins = settings.allowed_origins;
  options.keys = settings.keys;
  return options;
}

void say_what_next(const Context& context, const Host& host, const std::string& model,
                   uint16_t port) {
  const std::string url = server_url(context.settings().host, port);
  // Keys never reach a screen: the example leaves a place for one.
  const bool needs_key = !context.settings().keys.empty();
  std::string text = context.say(Message::kServing, model, url) + "\n";
  if (host.plan().is_below_model_context) {
    text += context.say(Message::kSmallerContext, host.plan().context_length,
                        host.plan().model_context_length) +
            "\n";
  }
  if (needs_key) text += context.say(Message::kServeNeedsKey) + "\n";
  text += context.say(Message::kServeNext, url, model,
                      needs_key ? " -H \"Authorization: Bearer $MARU_KEY\"" : "",
                      needs_key ? "YOUR KEY" : "any") +
          "\n";
  write_stdout(text);
}

Result<int> run(const Context& context) {
  hold_stop_signals();
  const auto begin = std::chrono::steady_clock::now();
  MARU_ASSIGN_OR_RETURN(const auto host, Host::start(context, Prefixes::kOnDisk));
  MARU_ASSIGN_OR_RETURN(const auto server, api::ApiServer::start(api_options(context.settings()),
                                                                 host->shared_service()));
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
  const std::string& model = host->service().models().front().name;
  log_info("serving {} on port {}: context {}, KV cache {}, kernels {}, ready after {:.2f} s",
           model, server->port(), host->plan().context_length,
           service::format_bytes(host->plan().kv_pool_bytes), kernels::isa_name(host->isa()),
           taken.count());
  say_what_next(context, *host, model, server->port());
  wait_for_stop_signal();
  write_stderr(context.say(Message::kStopping) + "\n");
  server->stop(kGrace);
  return 0;
}

CommandBody declare(Options& options) {
  options.engine_settings();
  for (const char* key :
       {"host", "port", "max_running", "speculation", "draft_model", "max_waiting",
        "prefix_cache_disk_mib", "allowed_hosts", "allowed_origins"}) {
    options.setting(key);
  }
  options.examples(
      "  maru serve\n"
      "  maru serve --model model.gguf --port 9000\n"
      "  MARU_KEYS=$(openssl rand -hex 24) maru serve --host 0.0.0.0\n"
      "Speaks the OpenAI API at http://localhost:8080/v1. Any address but loopback wants keys.");
  return [](const Context& context) { return run(context); };
}

}  // namespace

extern const Command command_serve;
const Command command_serve{"serve", "serve a model by the OpenAI API over HTTP", 10, declare};

}  // namespace maru::apps
