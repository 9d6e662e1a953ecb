// What an answer of the hub means for the one who asked: good, worth another try, or final.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "base/result.h"
#include "net/http_client.h"

namespace maru::service {

struct Attempt {
  std::optional<Error> error;  // none: it worked
  bool may_retry = false;
  std::optional<std::chrono::seconds> retry_after;  // as the server wishes
};

// `what` was asked for. Statuses 200 and 206 are good; lost connections, 408, 429 and 5xx may be
// retried.
Attempt judge(const Result<net::ClientResponse>& response, const std::string& what, bool has_token);

// Waits between tries: 0.25 s, then twice as long each time up to 32 s, or as long as the server
// wishes.
class Patience {
 public:
  static constexpr std::chrono::milliseconds kFirstWait{250};
  static constexpr std::chrono::seconds kLongestWish{300};

  // At least one try. `should_stop` must outlive this; it may be null.
  Patience(uint32_t n_tries, const std::function<bool()>& should_stop)
      : n_allowed_(n_tries), should_stop_(should_stop) {}

  // False when it is time to give up: too many tries, a wish that is too long, or should_stop.
  bool wait(std::optional<std::chrono::seconds> wish);
  // After progress.
  void restart() { n_tries_ = 1; }

 private:
  uint32_t n_allowed_;
  const std::function<bool()>& should_stop_;
  uint32_t n_tries_ = 1;
};

}  // namespace maru::service
