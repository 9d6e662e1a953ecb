#include "apps/hub.h"

#include <cstdlib>
#include <string_view>

#include "service/catalogue.h"

namespace maru::apps {
namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

std::string hub_endpoint() {
  const std::string endpoint = environment("HF_ENDPOINT");
  return endpoint.empty() ? service::kHubEndpoint : endpoint;
}

std::string hub_host() {
  const std::string endpoint = hub_endpoint();
  std::string_view host = endpoint;
  if (const size_t scheme = host.find("://"); scheme != std::string_view::npos) {
    host.remove_prefix(scheme + 3);
  }
  host = host.substr(0, host.find('/'));
  return std::string(host.substr(0, host.find_last_of(':')));
}

Result<service::Pulled> pull_by_name(const std::string& source, const HubWish& hub,
                                     const service::PullWish& wish,
                                     const service::Settings& settings,
                                     const service::PullCalls& calls) {
  const service::CatalogueModel* const known = service::find_in_catalogue(source);
  MARU_ASSIGN_OR_RETURN(const service::HubName name,
                        service::parse_hub_name(known ? service::catalogue_name(*known) : source));
  service::HubOptions options;
  options.endpoint = hub_endpoint();
  options.token = environment("HF_TOKEN");
  MARU_ASSIGN_OR_RETURN(options.egress, net::EgressList::parse(settings.egress_hosts));
  options.n_connections = hub.n_connections;
  options.idle_timeout = std::chrono::seconds(hub.timeout_s);
  options.n_tries = hub.n_tries;
  options.n_ask_tries = hub.n_ask_tries;
  options.should_stop = calls.should_stop;
  MARU_ASSIGN_OR_RETURN(const auto client, service::HubClient::create(std::move(options)));
  return service::pull_from_hub(client, name, wish, calls);
}

}  // namespace maru::apps
