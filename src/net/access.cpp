#include "net/access.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

namespace maru::net {
namespace {

struct HostPort {
  std::string_view host;  // without brackets
  std::optional<uint16_t> port;
  bool is_ipv6 = false;
};

std::optional<HostPort> split_host(std::string_view text) {
  HostPort result;
  std::string_view rest;
  if (!text.empty() && text[0] == '[') {
    const size_t end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    result.host = text.substr(1, end - 1);
    result.is_ipv6 = true;
    rest = text.substr(end + 1);
  } else {
    const size_t colon = std::min(text.find(':'), text.size());
    result.host = text.substr(0, colon);
    rest = text.substr(colon);
  }
  if (result.host.empty()) return std::nullopt;
  if (rest.empty()) return result;
  rest.remove_prefix(1);
  uint16_t port = 0;
  const auto parsed = std::from_chars(rest.data(), rest.data() + rest.size(), port);
  if (parsed.ec != std::errc() || parsed.ptr != rest.data() + rest.size()) return std::nullopt;
  result.port = port;
  return result;
}

// Four decimal numbers; the spelling only.
bool is_ipv4_literal(std::string_view host) {
  int n_parts = 0;
  while (true) {
    uint8_t part = 0;
    const auto parsed = std::from_chars(host.data(), host.data() + host.size(), part);
    if (parsed.ec != std::errc()) return false;
    ++n_parts;
    host.remove_prefix(static_cast<size_t>(parsed.ptr - host.data()));
    if (host.empty()) return n_parts == 4;
    if (host[0] != '.') return false;
    host.remove_prefix(1);
  }
}

}  // namespace

bool is_loopback_host(std::string_view host) {
  if (host.size() > 1 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  constexpr std::string_view kMapped = "::ffff:";
  if (host.size() > kMapped.size() &&
      equal_ignoring_case(host.substr(0, kMapped.size()), kMapped)) {
    host.remove_prefix(kMapped.size());
  }
  return equal_ignoring_case(host, "localhost") || host == "::1" ||
         (is_ipv4_literal(host) && host.starts_with("127."));
}

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  size_t difference = a.size() ^ b.size();
  for (size_t i = 0; i < a.size(); ++i) {
    const char other = b.empty() ? '\0' : b[i % b.size()];
    difference |=
        static_cast<size_t>(static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(other));
  }
  const volatile size_t settled = difference;
  return settled == 0;
}

AccessPolicy::AccessPolicy(AccessOptions options)
    : options_(std::move(options)), loopback_(is_loopback_host(options_.listen_host)) {}

bool AccessPolicy::knows_host(std::string_view text, uint16_t default_port) const {
  const std::optional<HostPort> given = split_host(text);
  if (!given) return false;
  for (const std::string& known : options_.allowed_hosts) {
    if (equal_ignoring_case(known, text) || equal_ignoring_case(known, given->host)) return true;
  }
  if (given->port.value_or(default_port) != options_.port) return false;
  if (equal_ignoring_case(given->host, "localhost") || given->host == "127.0.0.1" ||
      (given->is_ipv6 && given->host == "::1")) {
    return true;
  }
  // An address cannot be rebound as a name can; the one we listen on is known, and on all
  // interfaces any address is.
  return given->host == options_.listen_host ||
         (!loopback_ && (given->is_ipv6 || is_ipv4_literal(given->host)));
}

bool AccessPolicy::knows_origin(std::string_view origin) const {
  const auto& allowed = options_.allowed_origins;
  if (std::find(allowed.begin(), allowed.end(), origin) != allowed.end()) return true;
  if (origin.starts_with("http://")) return knows_host(origin.substr(7), 80);
  return origin.starts_with("https://") && knows_host(origin.substr(8), 443);
}

Status AccessPolicy::check_site(const Request& request) const {
  if (!knows_host(request.host, 80)) {
    return Error{ErrorCode::kForbidden, "the Host header names a host this server does not know",
                 "use http://localhost:" + std::to_string(options_.port) +
                     ", or add the name to allowed_hosts in the configuration",
                 "", Reason{"site_unknown"}};
  }
  for (const Header& h : request.headers) {
    if (equal_ignoring_case(h.name, "origin") && !knows_origin(h.value)) {
      return Error{
          ErrorCode::kForbidden, "the Origin header names a site this server does not know",
          "open the page from this server, or add it to allowed_origins in the configuration", "",
          Reason{"site_unknown"}};
    }
  }
  return {};
}

}  // namespace maru::net
