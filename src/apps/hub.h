// The model hub as the environment and the settings have it, for whatever pulls models.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "service/config.h"
#include "service/pull.h"

namespace maru::apps {

struct HubWish {
  uint32_t n_connections = 4;
  uint32_t timeout_s = 30;   // without a byte
  uint32_t n_tries = 8;      // without progress
  uint32_t n_ask_tries = 0;  // until the hub answers for the first time; 0: n_tries
};

// HF_ENDPOINT, or the default one.
std::string hub_endpoint();
// Its host, without the port.
std::string hub_host();

// `source`: organisation/model[:quantisation][@revision], or a name of the catalogue. Errors: those
// of parse_hub_name, HubClient and pull_from_hub.
Result<service::Pulled> pull_by_name(const std::string& source, const HubWish& hub,
                                     const service::PullWish& wish,
                                     const service::Settings& settings,
                                     const service::PullCalls& calls);

}  // namespace maru::apps
