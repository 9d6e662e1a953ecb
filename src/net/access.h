// From where the server may be talked to: known Host and Origin values (against DNS rebinding).
// Immutable; thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "net/http.h"

namespace maru::net {

// "localhost", 127.0.0.0/8, ::1 and the IPv4-mapped forms of them, with or without brackets.
bool is_loopback_host(std::string_view host);

// Compares in a time that depends on the lengths only.
bool equal_in_constant_time(std::string_view a, std::string_view b);

struct AccessOptions {
  std::string listen_host;  // the address the server binds to
  uint16_t port = 0;        // the one it is bound to
  // Further Host values: "maru.example" (with any port) or "maru.example:8443" (with just that).
  std::vector<std::string> allowed_hosts;
  // Further Origin values, whole: "https://chat.example". Those of known hosts are known already.
  std::vector<std::string> allowed_origins;
};

class AccessPolicy {
 public:
  explicit AccessPolicy(AccessOptions options);

  // Errors: kForbidden.
  Status check_site(const Request& request) const;

 private:
  bool knows_host(std::string_view host, uint16_t default_port) const;
  bool knows_origin(std::string_view origin) const;

  AccessOptions options_;
  bool loopback_;
};

}  // namespace maru::net
