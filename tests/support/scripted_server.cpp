// The real API over the scripted engine: `maru_scripted_server TOKENIZER_GGUF [key=value...]`
// prints its port on standard output and serves until standard input ends. Every scenario is a
// model; "no-template" has none. Keys: context, heartbeat_ms, max_running, max_body_bytes, database
// (a path, and usage is metered there; default: one of its own, without), refresh_ms, key (a static
// one), login (1: as beyond loopback), first_admin (1: the link's token stands behind the port),
// load_ms (models are loaded when they are first asked for, and it takes so long; default: they are
// there), hub (1: what is pulled is served, and answers as "plain" does; "away": no hub is
// reached), measure_ms (of the machine, which is a made-up one). `maru_scripted_server --endpoints`
// prints the table of endpoints as JSON.
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "api/endpoint.h"
#include "api/server.h"
#include "base/json.h"
#include "base/log.h"
#include "base/testing/test_folder.h"
#include "engine/scripted_engine.h"
#include "formats/gguf.h"
#include "service/chat_services.h"
#include "service/generation.h"
#include "service/metering.h"
#include "service/model_pool.h"
#include "service/pull_jobs.h"
#include "service/recommender.h"
#include "service/server_settings.h"
#include "service/sign_in.h"
#include "service/usage_report.h"
#include "text/chat_template.h"

namespace maru {
namespace {

constexpr const char* kChatMl =
    "{% for message in messages %}"
    "{% if message.role == 'function' %}{{ raise_exception('no role function here') }}{% endif %}"
    "<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}"
    "{% if mood is defined %}<|im_start|>mood\n{{ mood }}<|im_end|>\n{% endif %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

int fail(const Error& error) {
  log_error("{}", error.to_string());
  return 1;
}

uint32_t read_number(const std::map<std::string, std::string>& settings, const char* key,
                     uint32_t otherwise) {
  const auto found = settings.find(key);
  if (found == settings.end()) return otherwise;
  uint32_t value = otherwise;
  std::from_chars(found->second.data(), found->second.data() + found->second.size(), value);
  return value;
}

// What was pulled. Thread-safe.
class Shelf {
 public:
  void add(service::ModelManifest manifest) {
    const std::lock_guard lock(mutex_);
    manifests_.push_back(std::move(manifest));
  }
  std::vector<service::ModelManifest> list() const {
    const std::lock_guard lock(mutex_);
    return manifests_;
  }
  bool has(const std::string& name) const {
    const auto all = list();
    return std::any_of(all.begin(), all.end(), [&](const auto& one) { return one.name == name; });
  }

 private:
  mutable std::mutex mutex_;
  std::vector<service::ModelManifest> manifests_;
};

// Plays "plain" for the models of the shelf.
class ShelfEngine final : public engine::Engine {
 public:
  ShelfEngine(std::shared_ptr<engine::Engine> engine, std::shared_ptr<const Shelf> shelf)
      : engine_(std::move(engine)), shelf_(std::move(shelf)) {}

  Status submit(engine::Request request, engine::EventHandler handler) override {
    if (shelf_->has(request.model)) request.model = "plain";
    return engine_->submit(std::move(request), std::move(handler));
  }
  void cancel(engine::RequestId id) override { engine_->cancel(id); }
  std::vector<engine::EngineModel> models() const override { return engine_->models(); }
  engine::EngineStats stats() const override { return engine_->stats(); }

 private:
  const std::shared_ptr<engine::Engine> engine_;
  const std::shared_ptr<const Shelf> shelf_;
};

// Models that take a while to load, and those of the shelf.
class SlowLoader final : public service::ModelLoader {
 public:
  SlowLoader(std::vector<service::ServedModel> models, std::chrono::milliseconds delay,
             std::shared_ptr<const Shelf> shelf)
      : models_(std::move(models)), delay_(delay), shelf_(std::move(shelf)) {}

  std::vector<Listed> list() const override {
    std::vector<Listed> listed;
    for (const service::ServedModel& model : models_) listed.push_back({model.name, {}});
    listed.front().policy.is_default = true;
    for (const service::ModelManifest& pulled : shelf_->list()) {
      listed.push_back({pulled.name, {}});
    }
    return listed;
  }
  service::ModelFacts facts(const std::string& name) const override {
    service::ModelFacts facts;
    facts.can_chat = name != "no-template";
    facts.can_complete = true;
    return facts;
  }
  Result<service::ModelLocation> locate(const std::string& name) const override {
    return Error{ErrorCode::kNotFound, name + " has no file"};
  }
  Result<service::MemoryPlan> plan(const std::string&, const MemoryLimits&) override {
    return service::MemoryPlan{};
  }
  Result<Loaded> load(const std::string& name, const MemoryLimits&) override {
    std::this_thread::sleep_for(delay_);
    for (const service::ServedModel& model : models_) {
      if (model.name == name) return Loaded{model, {}};
    }
    if (shelf_->has(name)) {
      service::ServedModel model = models_.front();
      model.name = name;
      return Loaded{model, {}};
    }
    return Error{ErrorCode::kNotFound, "there is no " + name};
  }
  void unload(const std::string&) override {}

 private:
  const std::vector<service::ServedModel> models_;
  const std::chrono::milliseconds delay_;
  const std::shared_ptr<const Shelf> shelf_;
};

// The table of who may call what, for suites that walk through it.
int print_endpoints() {
  constexpr const char* kWho[] = {"all", "caller", "person", "auditor", "admin"};
  Json list = Json::array();
  for (const api::Endpoint* endpoint : api::all_endpoints()) {
    list.push_back({{"name", endpoint->name},
                    {"method", endpoint->method},
                    {"pattern", endpoint->pattern},
                    {"who", kWho[static_cast<size_t>(endpoint->access.who)]},
                    {"scope", service::scope_name(endpoint->access.scope)},
                    {"before_accounts", endpoint->access.before_accounts}});
  }
  std::printf("%s\n", dump_json(list).c_str());
  return 0;
}

// As if a hub gave models away, a byte at a time: "org/long" until it is stopped.
Result<service::Pulled> pull(const std::string& source, const service::PullCalls& calls) {
  if (source == "org/none") {
    return Error{ErrorCode::kNotFound, "the hub has no " + source, "", "",
                 Reason{"hub_missing", {{"what", source}}}};
  }
  service::PullProgress progress;
  progress.stage = service::PullProgress::Stage::kFetching;
  progress.file = "model.gguf";
  progress.n_total = 100;
  while (progress.n_done < 50 || source == "org/long") {
    if (calls.should_stop()) return Error{ErrorCode::kUnavailable, "stopped", ""};
    progress.n_done = std::min<uint64_t>(progress.n_done + 1, 50);
    calls.on_progress(progress);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  // "org/name:Q4_K_M" becomes the model "name-Q4_K_M".
  const size_t slash = source.find('/'), colon = std::min(source.find(':'), source.size());
  service::Pulled pulled;
  pulled.manifest.name = source.substr(slash + 1);
  std::replace(pulled.manifest.name.begin(), pulled.manifest.name.end(), ':', '-');
  pulled.manifest.origin.repository = source.substr(0, colon);
  pulled.manifest.files = {{pulled.manifest.name + ".gguf", progress.n_total, ""}};
  return pulled;
}

service::PullJobs::Pull puller(const std::string& hub, const std::shared_ptr<Shelf>& shelf) {
  return [=](const std::string& source,
             const service::PullCalls& calls) -> Result<service::Pulled> {
    if (hub == "away") {
      return Error{ErrorCode::kUnavailable, "hub.example: Host not found", "is there a network?",
                   "", Reason{"hub_unreachable", {{"why", "hub.example: Host not found"}}}};
    }
    auto pulled = pull(source, calls);
    if (pulled && !hub.empty()) shelf->add(pulled->manifest);
    return pulled;
  };
}

// A machine of 16 GiB with two threads, whatever runs this.
std::shared_ptr<service::Recommender> make_recommender(
    const std::shared_ptr<service::GenerationService>& generation,
    const std::shared_ptr<const Shelf>& shelf, std::chrono::milliseconds measure_time) {
  service::RecommenderOptions options;
  options.n_threads = 2;
  options.isa = "scalar";
  constexpr uint64_t kTotal = uint64_t{16} << 30, kRoom = uint64_t{12} << 30;
  options.limits = [] { return MemoryLimits{kTotal, kRoom, "machine", kRoom}; };
  options.manifests = [shelf] { return shelf->list(); };
  options.meter.stats = [generation] { return generation->engine_stats(); };
  options.meter.measure = [measure_time] {
    std::this_thread::sleep_for(measure_time);
    return service::MachineSpeed{2e10, 5e11};
  };
  return std::make_shared<service::Recommender>(std::move(options));
}

// Of no file, with the scenarios' names for every model. The currency of usage is taken at once.
Result<std::shared_ptr<service::ServerSettings>> keep_settings(
    const std::shared_ptr<service::AuditLog>& log, const std::vector<std::string>& models,
    const std::shared_ptr<service::UsageReport>& usage) {
  service::ConfigSources sources;
  sources.file = "/dev/null";
  sources.environment = [](const std::string&) { return std::optional<std::string>(); };
  sources.flags = {{"max_waiting", "32"}};
  MARU_ASSIGN_OR_RETURN(service::Config config, service::Config::load(sources));
  const auto kept = std::make_shared<service::ServerSettings>(
      log, std::move(config), [models](const std::string&) { return models; });
  MARU_RETURN_IF_ERROR(kept->load());
  if (usage) {
    kept->on_change([usage](const service::Settings& now) { usage->set_currency(now.currency); });
  }
  return kept;
}

int serve(const std::string& tokenizer_path, const std::map<std::string, std::string>& settings,
          const std::string& database_path) {
  auto file = formats::GgufFile::open(tokenizer_path);
  if (!file) return fail(file.error());
  auto loaded = text::Tokenizer::from_gguf(*file);
  if (!loaded) return fail(loaded.error());
  const std::shared_ptr<const text::Tokenizer> tokenizer = std::move(*loaded);
  auto compiled = text::ChatTemplate::compile(kChatMl);
  if (!compiled) return fail(compiled.error());
  const auto chat_template = std::make_shared<const text::ChatTemplate>(std::move(*compiled));

  engine::ScriptedOptions scripted;
  scripted.encode = [tokenizer](std::string_view text) { return tokenizer->encode(text); };
  scripted.vocab_size = static_cast<uint32_t>(tokenizer->size());
  scripted.context_length = read_number(settings, "context", 2048);
  scripted.max_running = read_number(settings, "max_running", 64);
  const auto shelf = std::make_shared<Shelf>();
  const auto engine =
      std::make_shared<ShelfEngine>(std::make_shared<engine::ScriptedEngine>(scripted), shelf);
  std::vector<service::ServedModel> models;
  for (const engine::EngineModel& model : engine->models()) {
    models.push_back({model.name, model.context_length, tokenizer, chat_template,
                      tokenizer->end_tokens(), 1'700'000'000});
  }
  models.push_back({"no-template", scripted.context_length, tokenizer, nullptr,
                    tokenizer->end_tokens(), 1'700'000'000});

  std::vector<std::string> names;
  for (const service::ServedModel& model : models) names.push_back(model.name);

  api::ApiOptions options;
  options.http.port = 0;
  options.http.max_body_bytes = read_number(settings, "max_body_bytes", 32u << 20);
  options.heartbeat = std::chrono::milliseconds(read_number(settings, "heartbeat_ms", 2000));
  options.allowed_hosts = {"maru.example"};
  const auto database = service::open_database(database_path);
  if (!database) return fail(database.error());
  if (settings.contains("database")) {
    service::MeteringOptions metering;
    metering.refresh_ms = read_number(settings, "refresh_ms", 2000);
    auto started = service::Metering::start(*database, metering);
    if (!started) return fail(started.error());
    options.metering = *std::move(started);
    options.usage = std::make_shared<service::UsageReport>(*database, "usd");
  }
  const auto setting = settings.find("hub");
  const std::string hub = setting == settings.end() ? "" : setting->second;
  options.pulls = std::make_shared<service::PullJobs>("hub.example", puller(hub, shelf));
  const std::chrono::milliseconds load_delay(read_number(settings, "load_ms", 0));
  const auto pool = load_delay.count() == 0 && hub.empty()
                        ? std::make_shared<service::ModelPool>(std::move(models))
                        : std::make_shared<service::ModelPool>(
                              std::make_unique<SlowLoader>(std::move(models), load_delay, shelf),
                              service::ModelPoolOptions{});
  const auto generation = std::make_shared<service::GenerationService>(engine, pool);
  options.recommender = make_recommender(
      generation, shelf, std::chrono::milliseconds(read_number(settings, "measure_ms", 100)));
  const auto chats = service::ChatServices::start(*database, generation, options.metering);
  if (!chats) return fail(chats.error());
  options.chats = *chats;
  const auto log = std::make_shared<service::AuditLog>(
      *database, std::filesystem::path(database_path).parent_path() / "audit.head");
  const auto accounts = std::make_shared<service::Accounts>(log);
  const auto kept = keep_settings(log, names, options.usage);
  if (!kept) return fail(kept.error());
  options.settings = *kept;
  service::SignInOptions sign_in;
  const auto key = settings.find("key");
  if (key != settings.end()) sign_in.static_keys = {key->second};
  sign_in.is_loopback = read_number(settings, "login", 0) == 0;
  const auto signing_in = std::make_shared<service::SignIn>(*database, accounts, sign_in);
  std::string token;
  if (settings.contains("first_admin")) {
    const auto made = signing_in->make_first_admin_token();
    if (!made) return fail(made.error());
    token = " " + made->value_or("");
  }
  auto server = api::ApiServer::start(options, generation, accounts, signing_in);
  if (!server) return fail(server.error());
  std::printf("%u%s\n", static_cast<unsigned>((*server)->port()), token.c_str());
  std::fflush(stdout);
  char byte = 0;
  while (::read(STDIN_FILENO, &byte, 1) > 0) {
  }
  (*server)->stop(std::chrono::milliseconds(200));
  return 0;
}

}  // namespace
}  // namespace maru

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s TOKENIZER_GGUF [key=value...]\n", argv[0]);
    return 2;
  }
  if (std::string(argv[1]) == "--endpoints") return maru::print_endpoints();
  std::map<std::string, std::string> settings;
  for (int i = 2; i < argc; ++i) {
    const std::string setting = argv[i];
    const size_t equals = setting.find('=');
    if (equals != std::string::npos) {
      settings[setting.substr(0, equals)] = setting.substr(equals + 1);
    }
  }
  const auto database = settings.find("database");
  if (database != settings.end()) return maru::serve(argv[1], settings, database->second);
  const maru::TestFolder folder;
  return maru::serve(argv[1], settings, folder.path("maru.db"));
}
