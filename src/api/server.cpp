#include "api/server.h"

#include <atomic>
#include <thread>
#include <utility>

#include "api/endpoint.h"
#include "base/bounded_queue.h"
#include "base/log.h"
#include "net/access.h"

namespace maru::api {
namespace {

constexpr size_t kMaxQueuedTasks = 256;

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
  explicit Workers(uint32_t n_threads) : tasks_(kMaxQueuedTasks) {
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
  std::unique_ptr<Workers> workers;
  // Set once the port is known, which is after the first client may connect.
  std::unique_ptr<const net::AccessPolicy> access_owner;
  std::atomic<const net::AccessPolicy*> access = nullptr;
  std::unique_ptr<net::Server> server;

  void handle(net::Request request, net::ResponseWriter writer);
  void record(const net::ExchangeRecord& exchange);
};

void ApiServer::Impl::handle(net::Request request, net::ResponseWriter writer) {
  const auto refuse = [&](const ApiError& error, std::vector<net::Header> headers = {}) {
    net::Response response = error_response(error);
    std::move(headers.begin(), headers.end(), std::back_inserter(response.headers));
    writer.send(std::move(response));
  };
  const net::AccessPolicy* const policy = access.load();
  if (!policy) return refuse(make_http_error(503, "the server is starting"));
  if (const Status status = policy->check_site(request); !status) {
    return refuse(to_api_error(status.error()));
  }
  Match match = find_endpoint(request.method, request.path);
  service::Identity identity;
  if (!match.endpoint || match.endpoint->access.who != Who::kAll) {
    if (const Status status = policy->check_key(request); !status) {
      return refuse(to_api_error(status.error()));
    }
    identity.caller = request.remote_address;
    identity.scopes = service::Scopes::all();
  }
  if (!match.endpoint && match.allowed_methods.empty()) {
    return refuse(
        make_http_error(404, "Invalid URL (" + request.method + " " + request.path + ")"));
  }
  if (!match.endpoint) {
    return refuse(make_http_error(405, request.path + " takes " + match.allowed_methods),
                  {{"Allow", match.allowed_methods}});
  }
  if (const Status status = check_access(match.endpoint->access, identity); !status) {
    return refuse(to_api_error(status.error()));
  }
  if (request.method == "POST" && !is_json(request.header("content-type"))) {
    return refuse(make_http_error(415, "the body must be application/json"));
  }
  Call call{context, std::move(request), std::move(writer), std::move(match.path_arguments),
            std::move(identity)};
  const Endpoint& endpoint = *match.endpoint;
  if (endpoint.run == Run::kInline) return run_guarded(endpoint, call);
  const net::ResponseWriter held = call.writer;
  if (!workers->try_run([&endpoint, call = std::move(call)] { run_guarded(endpoint, call); })) {
    held.send(error_response(to_api_error(
        Error{ErrorCode::kRateLimited, "too many requests are waiting", "try again in a moment"})));
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
    ApiOptions options, std::shared_ptr<service::GenerationService> service) {
  const net::AccessOptions access{options.http.host, options.http.port, options.allowed_hosts,
                                  options.allowed_origins, options.keys};
  if (auto checked = net::AccessPolicy::create(access); !checked) {
    return std::move(checked).error();
  }
  auto impl = std::make_unique<Impl>();
  impl->context->service = std::move(service);
  impl->context->heartbeat = options.heartbeat;
  impl->context->metering = options.metering;
  impl->context->usage = options.usage;
  impl->workers = std::make_unique<Workers>(options.n_workers);
  Impl* const self = impl.get();  // outlives the server, which it owns
  options.http.make_error = [](int status, std::string_view message) {
    return error_response(make_http_error(status, message));
  };
  options.http.on_exchange = [self](const net::ExchangeRecord& exchange) {
    self->record(exchange);
  };
  MARU_ASSIGN_OR_RETURN(
      impl->server, net::Server::start(std::move(options.http),
                                       [self](net::Request request, net::ResponseWriter writer) {
                                         self->handle(std::move(request), std::move(writer));
                                       }));
  net::AccessOptions bound = access;
  bound.port = impl->server->port();
  MARU_ASSIGN_OR_RETURN(auto policy, net::AccessPolicy::create(std::move(bound)));
  impl->access_owner = std::make_unique<const net::AccessPolicy>(std::move(policy));
  impl->access.store(impl->access_owner.get());
  return std::unique_ptr<ApiServer>(new ApiServer(std::move(impl)));
}

ApiServer::ApiServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

ApiServer::~ApiServer() { stop(std::chrono::milliseconds(0)); }

uint16_t ApiServer::port() const { return impl_->server->port(); }

void ApiServer::stop(std::chrono::milliseconds grace) { impl_->server->stop(grace); }

}  // namespace maru::api
