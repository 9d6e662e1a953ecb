// Where this program may connect to: the hosts that the setting egress_hosts names, by https; http
// only on loopback. URLs are read by libcurl's own parser, so that what is checked is what is
// contacted. Immutable after parse; thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

struct sockaddr;

namespace maru::net {

// A URL that may be contacted.
struct EgressTarget {
  std::string scheme, host;  // lower case; an IPv6 host with its brackets
  uint32_t port = 0;
  // Whether the host may have an address that is not public: only where the list names it in full.
  bool may_be_private = false;

  bool operator==(const EgressTarget&) const = default;
};

class EgressList {
 public:
  // Entries: "host", "host:port" or "*.domain" (any name below it, not itself). Without a port only
  // the scheme's own (443, on loopback also 80) is meant. Errors: kInvalidArgument.
  static Result<EgressList> parse(const std::vector<std::string>& entries);

  // Errors: kInvalidArgument (no URL, or one with a name or password in it), kForbidden (not
  // listed, or not https), with how to allow it.
  Result<EgressTarget> check(const std::string& url) const;

 private:
  struct Entry {
    std::string host;   // of "*.domain": ".domain"
    uint32_t port = 0;  // 0: the scheme's own
  };
  std::vector<Entry> entries_;
};

// Whether an address is one of the public internet (RFC 6890 lists what is not), and whether it is
// this machine's own. IPv4 inside of IPv6 counts as what it holds.
bool is_public_address(const sockaddr* address);
bool is_loopback_address(const sockaddr* address);

// The URL without query and fragment, which may hold a storage's signature: for messages.
std::string shown_url(std::string_view url);

}  // namespace maru::net
