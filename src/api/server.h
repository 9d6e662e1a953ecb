// The OpenAI-compatible API over a GenerationService: endpoints, who may
// call them, metrics and log.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "net/server.h"
#include "service/chat_services.h"
#include "service/embedding.h"
#include "service/generation.h"
#include "service/metering.h"
#include "service/pull_jobs.h"
#include "service/recommender.h"
#include "service/server_settings.h"
#include "service/sign_in.h"
#include "service/usage_report.h"

namespace maru::api {

struct ApiOptions {
  net::ServerOptions http;  // make_error and on_exchange are set by the ApiServer
  std::vector<std::string> allowed_hosts, allowed_origins;  // see net::AccessOptions
  bool secure_cookies = false;  // sessions' cookies are for https only, whatever a request says
  uint32_t n_workers = 2;       // threads that tokenise and render templates
  std::chrono::milliseconds heartbeat{2'000};
  // Usage, prices and limits; null: requests are neither counted nor limited.
  std::shared_ptr<service::Metering> metering;
  std::shared_ptr<service::UsageReport> usage;
  std::shared_ptr<service::ChatServices> chats;         // null: no chats are kept
  std::shared_ptr<service::EmbeddingService> encoders;  // null: no vectors, no relevance
  std::shared_ptr<service::PullJobs> pulls;             // null: no models are fetched
  std::shared_ptr<service::Recommender> recommender;    // null: none are recommended
  std::shared_ptr<service::ServerSettings> settings;    // null: there are none to show
};

class ApiServer {
 public:
  // Listens at once. Errors: those of net::Server::start.
  static Result<std::unique_ptr<ApiServer>> start(
      ApiOptions options, std::shared_ptr<service::GenerationService> service,
      std::shared_ptr<service::Accounts> accounts, std::shared_ptr<service::SignIn> sign_in);
  ~ApiServer();

  uint16_t port() const;
  // Running answers may finish for at most `grace`.
  void stop(std::chrono::milliseconds grace);

 private:
  struct Impl;
  explicit ApiServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace maru::api
