#include "service/hub_patience.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <thread>

namespace maru::service {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kPoll{50};

// Seconds; the form with a date is rare and read as no wish.
std::optional<std::chrono::seconds> parse_retry_after(std::string_view text) {
  uint32_t seconds = 0;
  const auto [stop, code] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (text.empty() || code != std::errc{} || stop != text.data() + text.size()) return std::nullopt;
  return std::chrono::seconds(seconds);
}

Error refused(int status, const std::string& what, bool has_token) {
  switch (status) {
    case 401:
      return {ErrorCode::kUnauthenticated,
              fmt::format("the hub wants to know who asks for {} (status 401)", what),
              has_token ? "HF_TOKEN is not valid any more, or the name is wrong"
                        : "check the name; a private or gated model needs HF_TOKEN",
              "", Reason{"hub_login", {{"what", what}}}};
    case 403:
      return {ErrorCode::kForbidden, fmt::format("the hub refuses {} (status 403)", what),
              has_token ? "accept the model's terms on its page with the account of HF_TOKEN"
                        : "accept the model's terms on its page, then set HF_TOKEN",
              "", Reason{"hub_gated", {{"what", what}}}};
    case 404:
    case 410:
      return {ErrorCode::kNotFound, fmt::format("the hub has no {} (status {})", what, status),
              "check the name and the revision", "", Reason{"hub_missing", {{"what", what}}}};
    case 429:
      return {ErrorCode::kRateLimited, fmt::format("the hub is asked too often for {}", what),
              "try again later; the pull goes on where it was", "", Reason{"hub_busy"}};
    default:
      return {ErrorCode::kUnavailable,
              fmt::format("the hub answered status {} for {}", status, what),
              "try again later; the pull goes on where it was", "",
              Reason{"hub_failed", {{"status", status}}}};
  }
}

}  // namespace

Attempt judge(const Result<net::ClientResponse>& response, const std::string& what,
              bool has_token) {
  if (!response) {
    Error error = response.error();
    const bool may_retry = error.code == ErrorCode::kUnavailable;
    if (may_retry) {
      error.hint = "is there a network? The pull goes on where it was";
      error.reason = Reason{"hub_unreachable", {{"why", error.message}}};
    }
    return {std::move(error), may_retry, {}};
  }
  if (response->is_stopped) return {Error{ErrorCode::kUnavailable, "stopped"}, false, {}};
  const int status = response->status;
  if (status == 200 || status == 206) return {};
  const bool may_retry = status == 408 || status == 429 || status >= 500;
  return {refused(status, what, has_token), may_retry,
          may_retry ? parse_retry_after(response->header("retry-after")) : std::nullopt};
}

bool Patience::wait(std::optional<std::chrono::seconds> wish) {
  if (n_tries_ >= n_allowed_ || (wish && *wish > kLongestWish)) return false;
  milliseconds left = kFirstWait * (1U << std::min(n_tries_ - 1, 7U));
  if (wish) left = std::max<milliseconds>(left, *wish);
  ++n_tries_;
  const auto end = std::chrono::steady_clock::now() + left;
  while (std::chrono::steady_clock::now() < end) {
    if (should_stop_ && should_stop_()) return false;
    std::this_thread::sleep_for(kPoll);
  }
  return true;
}

}  // namespace maru::service
