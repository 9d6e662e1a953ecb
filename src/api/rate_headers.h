// x-ratelimit-* as OpenAI sends them: what is left of the requests and tokens of this minute.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "net/http.h"
#include "service/limits.h"

namespace maru::api {

// None for what has no limit.
std::vector<net::Header> rate_headers(const service::RateState& state);

// "0s", "120ms", "1.5s", "6m0s".
std::string print_duration(int64_t milliseconds);

}  // namespace maru::api
