// Talks to a Hugging Face hub: asks what a repository holds, and fetches its files over several
// connections. Patient with cuts, 429 and 5xx; checks what every answer claims before a byte of it
// is kept. The only requests are GET, to hosts of the egress list.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

#include "base/result.h"
#include "net/egress.h"
#include "net/http_client.h"
#include "service/hub_answer.h"
#include "service/staged_file.h"

namespace maru::service {

inline constexpr const char* kHubEndpoint = "https://huggingface.co";

struct HubOptions {
  std::string endpoint = kHubEndpoint;  // HF_ENDPOINT
  std::string token;                    // HF_TOKEN; sent to the endpoint's own origin only
  net::EgressList egress;
  uint32_t n_connections = 4;
  std::chrono::milliseconds idle_timeout{30'000};
  uint32_t n_tries = 8;               // without progress
  uint32_t n_ask_tries = 0;           // of ask(); 0: n_tries
  std::function<bool()> should_stop;  // asked from several threads; may be null
};

class HubClient {
 public:
  // Errors: kInvalidArgument (a token that is none, an endpoint that is no URL), kForbidden (an
  // endpoint that is not on the egress list).
  static Result<HubClient> create(HubOptions options);

  // Errors: kNotFound, kUnauthenticated, kForbidden, kUnavailable, kCorrupt.
  Result<HubAnswer> ask(const std::string& repository, const std::string& revision) const;

  // Fetches what `to` lacks. `on_bytes` gets the bytes of `to` that are done, by one thread at a
  // time. Errors: those of ask(), kCorrupt (a server that lies about sizes or sends pages), those
  // of the disk, kConflict (the server's file is not the one that `to` holds a part of: reset it),
  // kUnavailable with "stopped" after should_stop.
  Status download(const std::string& repository, const std::string& commit, const HubFile& file,
                  StagedFile& to, const std::function<void(uint64_t)>& on_bytes) const;

  const std::string& endpoint() const { return options_.endpoint; }

 private:
  explicit HubClient(HubOptions options) : options_(std::move(options)) {}

  HubOptions options_;
};

}  // namespace maru::service
