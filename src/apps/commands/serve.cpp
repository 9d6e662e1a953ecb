#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <memory>

#include "api/server.h"
#include "apps/books.h"
#include "apps/command.h"
#include "apps/encoders.h"
#include "apps/host.h"
#include "apps/hub.h"
#include "apps/load.h"
#include "apps/machine_speed.h"
#include "apps/options.h"
#include "apps/server_url.h"
#include "apps/signals.h"
#include "apps/stored_settings.h"
#include "apps/terminal.h"
#include "base/files.h"
#include "base/log.h"
#include "kernels/dispatch.h"
#include "net/access.h"
#include "service/chat_services.h"
#include "service/server_settings.h"
#include "service/sign_in.h"

namespace maru::apps {
namespace {

constexpr std::chrono::milliseconds kGrace{3'000};
constexpr std::chrono::milliseconds kMeasureTime{3'000};
constexpr int kMeasureNiceness = 10;
constexpr uint64_t kMeasureMemoryShare = 4;  // of what is free beside the models

api::ApiOptions api_options(const service::Settings& settings) {
  api::ApiOptions options;
  options.http.host = settings.host;
  options.http.port = static_cast<uint16_t>(settings.port);
  options.allowed_hosts = settings.allowed_hosts;
  options.allowed_origins = settings.allowed_origins;
  options.secure_cookies = settings.secure_cookies == "on";
  return options;
}

service::SignInOptions sign_in_options(const service::Settings& settings) {
  service::SignInOptions options;
  options.is_loopback = net::is_loopback_host(settings.host);
  options.static_keys = settings.keys;
  options.shares_prefixes = settings.prefix_sharing == "organisation";
  return options;
}

// Whether everybody is let in, in the terminal and the log; the first admin's link where nobody is.
// The link is a secret: it goes to the terminal only.
Status say_who_may_come(const Context& context, service::SignIn& sign_in, const std::string& url) {
  MARU_ASSIGN_OR_RETURN(const bool open, sign_in.is_open());
  if (open) {
    log_info("there is no account: requests of this machine need no login");
    write_stdout(context.say(Message::kServeOpen) + "\n");
    return {};
  }
  if (net::is_loopback_host(context.settings().host)) return {};
  MARU_ASSIGN_OR_RETURN(const auto token, sign_in.make_first_admin_token());
  if (!token) return {};
  log_info("there is no account: a link that makes the first admin is in the terminal");
  write_stdout(context.say(Message::kServeFirstAdmin, url + "/first-admin#" + *token) + "\n");
  return {};
}

struct Started {
  std::shared_ptr<service::EmbeddingService> encoders;
  uint64_t encoder_bytes = 0;  // of memory
  std::unique_ptr<Host> host;
};

Result<Started> start_models(const Context& context) {
  Started started;
  // First, so that the other models are planned into what they leave.
  MARU_ASSIGN_OR_RETURN(started.encoders, start_encoders(context.settings()));
  if (started.encoders) started.encoder_bytes = started.encoders->memory_bytes();
  MARU_ASSIGN_OR_RETURN(
      started.host, Host::start(context, Prefixes::kOnDisk, Served::kAll, started.encoder_bytes));
  return started;
}

// What was set on the page never keeps the server from starting: without it, if not with it.
Result<Started> start_models(const Context& context, service::ServerSettings& kept) {
  const service::Config config = kept.in_force();
  auto started = start_models(Context{config, context.say});
  if (started || !kept.put_engine_aside(started.error())) return started;
  const service::Config without = kept.in_force();
  return start_models(Context{without, context.say});
}

void take_changes_at_once(service::ServerSettings& kept, Host& host,
                          const std::shared_ptr<service::UsageReport>& usage) {
  kept.on_change([&host, usage](const service::Settings& settings) {
    set_log_level(log_level_of(settings.log_level));
    host.set_idle_minutes(settings.idle_minutes);
    usage->set_currency(settings.currency);
  });
}

// Every request leaves a row in the database, and limits hold.
Status meter_requests(const service::Settings& settings,
                      const std::shared_ptr<store::Database>& database, api::ApiOptions& options) {
  MARU_ASSIGN_OR_RETURN(options.metering, service::Metering::start(database));
  options.usage = std::make_shared<service::UsageReport>(database, settings.currency);
  return {};
}

// Measures for some seconds when it is first asked, on threads that give way to answers.
std::shared_ptr<service::Recommender> make_recommender(const service::Settings& settings,
                                                       const Host& host, uint64_t of_encoders) {
  service::RecommenderOptions options;
  options.n_threads = thread_count(settings);
  options.isa = kernels::isa_name(host.isa());
  options.limits = [of_encoders] { return set_aside(read_memory_limits(), of_encoders); };
  options.manifests = [] {
    return service::manifests_of(service::ModelStore(data_folder() + "/models"));
  };
  options.meter.stats = [service = host.shared_service()] { return service->engine_stats(); };
  options.meter.measure = [isa = host.isa(), n_threads = options.n_threads] {
    ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kMeasureNiceness);
    ThreadPool pool(n_threads);  // its threads take over the niceness of this one
    const uint64_t free_bytes = read_memory_limits().available_bytes / kMeasureMemoryShare;
    return measure_machine(isa, pool, free_bytes, kMeasureTime);
  };
  return std::make_shared<service::Recommender>(std::move(options));
}

void log_encoders(const service::EmbeddingService& encoders) {
  for (const auto& model : encoders.models()) {
    const models::EncoderInfo& info = model->encoder->info();
    log_info("serving {} for {}: {} values, texts of up to {} tokens", model->name,
             model->is_reranker() ? "relevance" : "embeddings", info.n_out(), info.max_tokens);
  }
}

void say_what_next(const Context& context, const Host& host, const std::string& model,
                   const std::string& url, bool needs_key) {
  // Keys never reach a screen: the example leaves a place for one.
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
  MARU_RETURN_IF_ERROR(service::check_static_keys(context.settings().keys));
  MARU_ASSIGN_OR_RETURN(const auto database,
                        service::open_database(service::database_location(context.settings())));
  const auto log = std::make_shared<service::AuditLog>(database, audit_head_file());
  const auto kept = std::make_shared<service::ServerSettings>(log, context.config,
                                                              model_names(context.settings()));
  MARU_RETURN_IF_ERROR(kept->load());
  MARU_ASSIGN_OR_RETURN(const auto started, start_models(context, *kept));
  set_log_level(log_level_of(kept->in_force().settings().log_level));  // behind what models say
  const auto& host = started.host;
  const service::Config config = kept->in_force();
  const service::Settings& settings = config.settings();
  const auto accounts = std::make_shared<service::Accounts>(log);
  const auto sign_in =
      std::make_shared<service::SignIn>(database, accounts, sign_in_options(settings));
  api::ApiOptions options = api_options(settings);
  options.settings = kept;
  options.encoders = started.encoders;
  if (options.encoders) log_encoders(*options.encoders);
  MARU_RETURN_IF_ERROR(meter_requests(settings, database, options));
  take_changes_at_once(*kept, *host, options.usage);
  // Outlives the server: answers that still run are saved when nobody reads any more.
  MARU_ASSIGN_OR_RETURN(const auto chats, service::ChatServices::start(
                                              database, host->shared_service(), options.metering));
  options.chats = chats;
  options.pulls = std::make_shared<service::PullJobs>(
      hub_host(), [&settings](const std::string& source, const service::PullCalls& calls) {
        // Who waits at the page is told within seconds that there is no network.
        return pull_by_name(source, {.n_ask_tries = 4}, {data_folder() + "/models", "", {}},
                            settings, calls);
      });
  options.recommender = make_recommender(settings, *host, started.encoder_bytes);
  MARU_ASSIGN_OR_RETURN(
      const auto server,
      api::ApiServer::start(std::move(options), host->shared_service(), accounts, sign_in));
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
  const std::string& model = host->model();
  log_info("serving {} on port {}: context {}, KV cache {}, kernels {}, ready after {:.2f} s",
           model, server->port(), host->plan().context_length,
           service::format_bytes(host->plan().kv_pool_bytes), kernels::isa_name(host->isa()),
           taken.count());
  MARU_ASSIGN_OR_RETURN(const bool open, sign_in->is_open());
  const std::string url = server_url(settings.host, server->port());
  say_what_next(context, *host, model, url, !open);
  MARU_RETURN_IF_ERROR(say_who_may_come(context, *sign_in, url));
  wait_for_stop_signal();
  write_stderr(context.say(Message::kStopping) + "\n");
  server->stop(kGrace);
  return 0;
}

CommandBody declare(Options& options) {
  options.engine_settings();
  for (const char* key :
       {"host", "port", "max_running", "speculation", "draft_model", "embedding_model",
        "rerank_model", "max_waiting", "idle_minutes", "prefix_cache_disk_mib", "prefix_sharing",
        "allowed_hosts", "allowed_origins", "secure_cookies"}) {
    options.setting(key);
  }
  options.examples(
      "  maru serve\n"
      "  maru serve --model model.gguf --port 9000\n"
      "  maru serve --host 0.0.0.0\n"
      "Speaks the OpenAI API at http://localhost:8080/v1. Without an account it needs no login on\n"
      "loopback; elsewhere the first start prints a link that makes an admin.");
  return [](const Context& context) { return run(context); };
}

}  // namespace

extern const Command command_serve;
const Command command_serve{"serve", "serve a model by the OpenAI API over HTTP", 10, declare};

}  // namespace maru::apps
