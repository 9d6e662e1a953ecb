#include "api/rate_headers.h"

#include <fmt/format.h>

namespace maru::api {
namespace {

constexpr int64_t kSecond = 1000;
constexpr int64_t kMinute = 60 * kSecond;

void add(std::vector<net::Header>& headers, const char* what,
         const std::optional<service::Quota>& quota) {
  if (!quota) return;
  const auto one = [&](const char* of, std::string value) {
    headers.push_back({fmt::format("x-ratelimit-{}-{}", of, what), std::move(value)});
  };
  one("limit", std::to_string(quota->limit));
  one("remaining", std::to_string(quota->remaining));
  one("reset", print_duration(quota->reset_ms));
}

}  // namespace

std::vector<net::Header> rate_headers(const service::RateState& state) {
  std::vector<net::Header> headers;
  add(headers, "requests", state.requests);
  add(headers, "tokens", state.tokens);
  return headers;
}

std::string print_duration(int64_t milliseconds) {
  if (milliseconds <= 0) return "0s";
  if (milliseconds < kSecond) return fmt::format("{}ms", milliseconds);
  const std::string minutes =
      milliseconds >= kMinute ? fmt::format("{}m", milliseconds / kMinute) : "";
  const int64_t rest = milliseconds % kMinute;
  std::string seconds = fmt::format("{}.{:03}", rest / kSecond, rest % kSecond);
  seconds.erase(seconds.find_last_not_of('0') + 1);
  if (seconds.ends_with('.')) seconds.pop_back();
  return minutes + seconds + "s";
}

}  // namespace maru::api
