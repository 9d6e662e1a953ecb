#include "api/server.h"

#include <atomic>
#include <thread>
#include <utility>

#include "api/credential.h"
#include "api/endpoint.h"
#include "base/bounded_queue.h"
#include "base/json.h"
#include "base/log.h"
#include "net/access.h"

namespace maru::api {
namespace {

constexpr size_t kMaxQueuedTasks = 256;
constexpr size_t kMaxSlowTasks = 16;

// "application/json", with or without parameters; a body without a type is taken as JSON.
bool is_json(std::string_view content_type) {
  const std::string_view type = content_type.substr(0, content_type.find(';'));
  const size_t end = type.find_last_not_of(" \t");
  return content_type.empty() ||
         net::equal_ignoring_case(type.substr(0, end + 1), "application/json");
}

// Threads for what takes longer than a connection's thread may be held.
class Workers {
 public:
  Workers(uint32_t n_threads, size_t max_tasks) : tasks_(max_tasks) {
    for (uint32_t i = 0; i < std::max(1u, n_threads); ++i) {
      threads_.emplace_back([this] {
        while (auto task = tasks_.pop()) (*task)();
      });
    }
  }
  ~Workers() {
    tasks_.close();
    for (std::thread& thread : threads_) thread.join();
  }
  bool try_run(std::function<void()> task) { return tasks_.try_push(std::move(task)); }

 private:
  BoundedQueue<std::function<void()>> tasks_;
  std::vector<std::thread> threads_;
};

void run_guarded(const Endpoint& endpoint, const Call& call) {
  try {
    endpoint.handle(call);
  } catch (const std::exception& e) {  // a library's, or memory gone
    log_error("request {}: {}", call.request.id, e.what());
    call.fail(make_http_error(500, "the server failed to answer"));
  }
}

}  // namespace

struct ApiServer::Impl {
  std::shared_ptr<ApiContext> context = std::make_shared<ApiContext>();
  std::unique_ptr<Workers> workers, slow_worker;
  // Set once the port is known, which is after the first client may connect.
  std::unique_ptr<const net::AccessPolicy> access_owner;
  std::atomic<const net::AccessPolicy*> access = nullptr;
  std::unique_ptr<net::Server> server;

  void handle(net::Request request, net::ResponseWriter writer);
  void record(const net::ExchangeRecord& exchange);
};

namespace {

void refuse(const net::ResponseWriter& writer, Shape shape, const ApiError& error,
            std::vector<net::Header> headers = {}) {
  net::Response response = error_response(error, shape);
  std::move(headers.begin(), headers.end(), std::back_inserter(response.headers));
  writer.send(std::move(response));
}

// Refusals are kept, where somebody is known who was refused.
void record_refusal(const ApiContext& context, const Endpoint& endpoint,
                    const service::Identity& identity) {
  if (identity.is_anonymous()) return;
  Json detail{{"scope", service::scope_name(endpoint.access.scope)}, {"key", identity.key_id}};
  if (!identity.may_use_feature(endpoint.access.feature)) {
    detail["feature"] = service::feature_name(endpoint.access.feature);
  }
  const Status kept =
      context.accounts->log().record({identity.is_person() ? identity.user_id : identity.key_id,
                                      "scope.refuse", endpoint.name, dump_json(detail)});
  if (!kept) log_warning("a refusal was not recorded: {}", kept.error().to_string());
}

Status let_in(const Match& match, Call& call) {
  const Endpoint* const endpoint = match.endpoint;
  if (endpoint != nullptr && endpoint->access.who == Who::kAll) return {};
  MARU_ASSIGN_OR_RETURN(const service::Credential credential, read_credential(call.request));
  MARU_ASSIGN_OR_RETURN(call.identity, call.context->sign_in->identify(credential));
  if (endpoint == nullptr) return {};
  Status allowed = check_access(endpoint->access, call.identity);
  if (!allowed && allowed.error().code == ErrorCode::kForbidden) {
    record_refusal(*call.context, *endpoint, call.identity);
  }
  return allowed;
}

// Who asks comes before what is asked: paths tell nothing to strangers.
void serve(const Match& match, Call call) {
  const net::Request& request = call.request;
  const Shape shape = shape_for(request.path);
  if (const Status status = let_in(match, call); !status) {
    return refuse(call.writer, shape, to_api_error(status.error()));
  }
  if (!match.endpoint && match.allowed_methods.empty()) {
    return refuse(
        call.writer, shape,
        make_http_error(404, "Invalid URL (" + request.method + " " + request.path + ")"));
  }
  if (!match.endpoint) {
    return refuse(call.writer, shape,
                  make_http_error(405, request.path + " takes " + match.allowed_methods),
                  {{"Allow", match.allowed_methods}});
  }
  const bool has_body = request.method == "POST" || request.method == "PATCH";
  if (has_body && match.endpoint->body == Body::kJson && !is_json(request.header("content-type"))) {
    return refuse(call.writer, shape, make_http_error(415, "the body must be application/json"));
  }
  run_guarded(*match.endpoint, call);
}

}  // namespace

void ApiServer::Impl::handle(net::Request request, net::ResponseWriter writer) {
  const net::AccessPolicy* const policy = access.load();
  const Shape shape = shape_for(request.path);
  if (!policy) return refuse(writer, shape, make_http_error(503, "the server is starting"));
  if (const Status status = policy->check_site(request); !status) {
    return refuse(writer, shape, to_api_error(status.error()));
  }
  Match match = find_endpoint(request.method, request.path);
  const net::ResponseWriter held = writer;
  Call call{context, std::move(request), std::move(writer), std::move(match.path_arguments), {}};
  const Run run = match.endpoint ? match.endpoint->run : Run::kWorker;
  if (run == Run::kInline) return serve(match, std::move(call));
  Workers& lane = run == Run::kSlow ? *slow_worker : *workers;
  if (!lane.try_run([match = std::move(match), call = std::move(call)] { serve(match, call); })) {
    refuse(held, shape,
           to_api_error(Error{ErrorCode::kRateLimited, "too many requests are waiting",
                              "try again in a moment", "", Reason{"server_busy"}}));
  }
}

void ApiServer::Impl::record(const net::ExchangeRecord& exchange) {
  const Match match = find_endpoint(exchange.method, exchange.path);
  const double milliseconds = static_cast<double>(exchange.duration.count()) / 1000.0;
  // Paths are printed as patterns and methods only if short: a client cannot write into the log.
  constexpr size_t kLongestMethod = 7;
  const bool has_method = !exchange.method.empty() && exchange.method.size() <= kLongestMethod;
  log_info("request id={} remote={} method={} path={} status={} ms={:.1f}{}{}{}", exchange.id,
           exchange.remote_address, has_method ? exchange.method : "-",
           match.endpoint ? match.endpoint->pattern : "-", exchange.status, milliseconds,
           exchange.client_left ? " client_left=true" : "", exchange.note.empty() ? "" : " ",
           exchange.note);
  context->metrics.count_request(match.endpoint ? match.endpoint->name : "none", exchange.status,
                                 exchange.duration);
}

Result<std::unique_ptr<ApiServer>> ApiServer::start(
    ApiOptions options, std::shared_ptr<service::GenerationService> service,
    std::shared_ptr<service::Accounts> accounts, std::shared_ptr<service::SignIn> sign_in) {
  net::AccessOptions sites{options.http.host, 0, options.allowed_hosts, options.allowed_origins};
  auto impl = std::make_unique<Impl>();
  impl->context->service = std::move(service);
  impl->context->spending = std::make_shared<service::SpendingRules>(accounts->shared_log());
  impl->context->accounts = std::move(accounts);
  impl->context->sign_in = std::move(sign_in);
  impl->context->secure_cookies = options.secure_cookies;
  impl->context->heartbeat = options.heartbeat;
  impl->context->metering = options.metering;
  impl->context->usage = options.usage;
  impl->context->chats = options.chats;
  impl->context->encoders = options.encoders;
  impl->context->pulls = options.pulls;
  impl->context->recommender = options.recommender;
  impl->context->settings = options.settings;
  if (options.chats) {
    options.chats->runs->end_with_credentials_of(impl->context->sign_in);
    const auto count = [weak = std::weak_ptr(impl->context)](const std::string& model,
                                                             const engine::Usage& usage) {
      if (const auto context = weak.lock()) context->metrics.count_usage(model, usage);
    };
    options.chats->runs->on_usage(count);
    options.chats->titles->on_usage(count);
  }
  impl->workers = std::make_unique<Workers>(options.n_workers, kMaxQueuedTasks);
  impl->slow_worker = std::make_unique<Workers>(1, kMaxSlowTasks);
  Impl* const self = impl.get();  // outlives the server, which it owns
  impl->context->run_on_worker = [self](std::function<void()> task) {
    return self->workers->try_run(std::move(task));
  };
  options.http.make_error = [](int status, std::string_view message) {
    return error_response(make_http_error(status, message), Shape::kOpenAi);
  };
  options.http.on_exchange = [self](const net::ExchangeRecord& exchange) {
    self->record(exchange);
  };
  MARU_ASSIGN_OR_RETURN(
      impl->server, net::Server::start(std::move(options.http),
                                       [self](net::Request request, net::ResponseWriter writer) {
                                         self->handle(std::move(request), std::move(writer));
                                       }));
  sites.port = impl->server->port();
  impl->access_owner = std::make_unique<const net::AccessPolicy>(std::move(sites));
  impl->access.store(impl->access_owner.get());
  return std::unique_ptr<ApiServer>(new ApiServer(std::move(impl)));
}

ApiServer::ApiServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

ApiServer::~ApiServer() { stop(std::chrono::milliseconds(0)); }

uint16_t ApiServer::port() const { return impl_->server->port(); }

void ApiServer::stop(std::chrono::milliseconds grace) { impl_->server->stop(grace); }

}  // namespace maru::api
