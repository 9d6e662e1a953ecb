// One endpoint = one file in src/api/endpoints/ that defines `extern const Endpoint
// endpoint_<file name>`; the table of all is generated, and with it the table of who may call what.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/errors.h"
#include "api/metrics.h"
#include "net/server.h"
#include "service/chat_services.h"
#include "service/embedding.h"
#include "service/generation.h"
#include "service/identity.h"
#include "service/metering.h"
#include "service/pull_jobs.h"
#include "service/recommender.h"
#include "service/server_settings.h"
#include "service/sign_in.h"
#include "service/spending_rules.h"
#include "service/usage_report.h"

namespace maru::api {

// What every endpoint works with. Shared by all calls; thread-safe.
struct ApiContext {
  std::shared_ptr<service::GenerationService> service;
  std::shared_ptr<service::Metering> metering;  // null: nothing is counted or limited
  std::shared_ptr<service::UsageReport> usage;  // null: there is no database
  std::shared_ptr<service::Accounts> accounts;
  std::shared_ptr<service::SignIn> sign_in;
  std::shared_ptr<service::SpendingRules> spending;  // in the accounts' database
  bool secure_cookies = false;  // also where nothing tells that a request came by https
  std::shared_ptr<service::ChatServices> chats;  // null: no chats are kept
  // False if too much is waiting. For what comes in over an open connection, or goes on later.
  std::function<bool(std::function<void()> task)> run_on_worker;
  std::shared_ptr<service::EmbeddingService> encoders;  // null: no vectors, no relevance
  std::shared_ptr<service::PullJobs> pulls;             // null: no models are fetched
  std::shared_ptr<service::Recommender> recommender;    // null: none are recommended
  std::shared_ptr<service::ServerSettings> settings;    // null: there are none to show
  Metrics metrics;
  std::chrono::milliseconds heartbeat{2'000};
};

struct Call {
  std::shared_ptr<ApiContext> context;
  net::Request request;
  net::ResponseWriter writer;
  std::vector<std::string> path_arguments;  // what stood for each "{...}" of the pattern
  service::Identity identity;               // who asks
  bool streams = false;                     // server-sent events have begun already

  void answer(std::string json) const;
  void fail(const ApiError& error) const;
};

enum class Run : uint8_t {
  kInline,  // on the connection's thread: short and never waiting
  kWorker,  // on a worker: parses, renders, tokenises, asks the store
  kSlow,    // on the one thread for what takes tenths of a second: passwords
};

using service::Feature;
using service::Scope;

// Who may call an endpoint at all. Whose things it then finds is the store's business.
enum class Who : uint8_t {
  kAll,      // without a credential
  kCaller,   // any valid credential
  kPerson,   // of an account
  kAuditor,  // of an auditor's or admin's account
  kAdmin,    // of an admin's account
};

// The authorisation of an endpoint: `scope` is what an API key must have beside it, `feature` what
// rules of groups may keep from people.
struct Access {
  Who who;
  Scope scope;
  Feature feature = Feature::kNone;
  // Also whoever is let in without a credential, on loopback while there is no account: what one
  // sets Maru up with.
  bool before_accounts = false;
};
inline constexpr Access kPublic{Who::kAll, Scope::kInference};

enum class Body : uint8_t { kJson, kAny };

struct Endpoint {
  const char* name;    // for metrics
  const char* method;  // "GET" answers HEAD too
  // "/api/things/{thing}": an argument is a segment of the path, "{model...}" the rest of it.
  const char* pattern;
  Run run;  // kInline only if public: a credential may have to be looked up
  Access access;
  void (*handle)(const Call& call);
  Body body = Body::kJson;
};

// Several endpoints of one noun in one file, src/api/resources/<noun>.cpp, which defines
// `extern const Resource resource_<noun>`.
struct Resource {
  std::span<const Endpoint> endpoints;
};

std::span<const Endpoint* const> all_endpoints();

struct Match {
  const Endpoint* endpoint = nullptr;  // null: none for this path and method
  std::vector<std::string> path_arguments;
  std::string allowed_methods;  // of the path: "GET, POST"; empty if the path is unknown
};
Match find_endpoint(std::string_view method, std::string_view path);

// Errors: kUnauthenticated (nobody with an account asks), kForbidden (a scope, role or feature is
// missing).
Status check_access(const Access& access, const service::Identity& identity);

// The model that is meant by a name, an alias or nothing (the default one), among those the caller
// may use. Errors: kNotFound.
Result<std::string> find_model(const Call& call, const std::string& name);

}  // namespace maru::api
