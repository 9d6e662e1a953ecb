#include "net/egress.h"

#include <curl/curl.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstring>
#include <memory>
#include <optional>
#include <span>

namespace maru::net {
namespace {

constexpr uint32_t kMaxPort = 65535;

struct UrlDelete {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};

std::string part_of(CURLU* url, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, flags) != CURLUE_OK) return {};
  std::string value = text;
  curl_free(text);
  return value;
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](char c) {
    return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  });
  return text;
}

// Names that can only mean this machine. What they resolve to is checked when connecting.
bool is_loopback_name(const std::string& host) {
  return host == "localhost" || host == "[::1]" || host.starts_with("127.");
}

struct Range4 {
  uint32_t base;
  int bits;
};

// What is not of the public internet (RFC 6890, RFC 6598, multicast and above).
constexpr Range4 kNotPublic[] = {
    {0x00000000, 8},  {0x0a000000, 8},  {0x64400000, 10}, {0x7f000000, 8},  {0xa9fe0000, 16},
    {0xac100000, 12}, {0xc0000000, 24}, {0xc0000200, 24}, {0xc0586300, 24}, {0xc0a80000, 16},
    {0xc6120000, 15}, {0xc6336400, 24}, {0xcb007100, 24}, {0xe0000000, 3}};

bool is_public_v4(uint32_t address) {
  return std::none_of(std::begin(kNotPublic), std::end(kNotPublic), [&](const Range4& range) {
    return (address ^ range.base) >> (32 - range.bits) == 0;
  });
}

uint32_t big_endian(std::span<const uint8_t, 4> p) {
  return uint32_t{p[0]} << 24 | uint32_t{p[1]} << 16 | uint32_t{p[2]} << 8 | uint32_t{p[3]};
}

using Bytes16 = std::array<uint8_t, 16>;

bool starts_with(const Bytes16& address, std::initializer_list<uint8_t> prefix) {
  return std::equal(prefix.begin(), prefix.end(), address.begin());
}

// The IPv4 address that an IPv6 one stands for: mapped, translated (RFC 6052) or 6to4.
std::optional<uint32_t> inner_v4(const Bytes16& a) {
  const std::span<const uint8_t, 16> bytes(a);
  if (starts_with(a, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}) ||
      starts_with(a, {0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0})) {
    return big_endian(bytes.subspan<12, 4>());
  }
  if (starts_with(a, {0x20, 0x02})) return big_endian(bytes.subspan<2, 4>());
  return std::nullopt;
}

// The address as IPv4 or IPv6; neither for other kinds of socket.
struct Address {
  std::optional<uint32_t> v4;
  std::optional<Bytes16> v6;
};

Address read_address(const sockaddr* address) {
  if (address->sa_family == AF_INET) {
    sockaddr_in in = {};
    std::memcpy(&in, address, sizeof(in));
    return {ntohl(in.sin_addr.s_addr), std::nullopt};
  }
  if (address->sa_family != AF_INET6) return {};
  sockaddr_in6 in = {};
  std::memcpy(&in, address, sizeof(in));
  Bytes16 bytes;  // NOLINT(*-member-init): filled below
  std::memcpy(bytes.data(), &in.sin6_addr, bytes.size());
  if (const auto inner = inner_v4(bytes)) return {*inner, std::nullopt};
  return {std::nullopt, bytes};
}

}  // namespace

Result<EgressList> EgressList::parse(const std::vector<std::string>& entries) {
  EgressList list;
  for (const std::string& text : entries) {
    const Error bad = {ErrorCode::kInvalidArgument,
                       fmt::format("egress_hosts: \"{}\" is no host", text),
                       "an entry is a host, host:port, or *.domain", "egress_hosts"};
    Entry entry{lower(text), 0};
    const size_t colon = entry.host.rfind(':');
    if (colon != std::string::npos && entry.host.find(']', colon) == std::string::npos) {
      const char* end = entry.host.data() + entry.host.size();
      const auto [stop, code] = std::from_chars(entry.host.data() + colon + 1, end, entry.port);
      if (code != std::errc{} || stop != end || entry.port == 0 || entry.port > kMaxPort) {
        return bad;
      }
      entry.host.resize(colon);
    }
    if (entry.host.starts_with("*.")) entry.host.erase(0, 1);
    const bool is_plain = entry.host.find_first_of("*/@ \t") == std::string::npos;
    if (!is_plain || entry.host.empty() || entry.host == ".") return bad;
    list.entries_.push_back(std::move(entry));
  }
  return list;
}

Result<EgressTarget> EgressList::check(const std::string& url) const {
  const std::unique_ptr<CURLU, UrlDelete> parsed(curl_url());
  if (!parsed || curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK) {
    return Error{ErrorCode::kInvalidArgument, fmt::format("\"{}\" is no URL", shown_url(url)),
                 "a URL starts with https://"};
  }
  if (!part_of(parsed.get(), CURLUPART_USER).empty() ||
      !part_of(parsed.get(), CURLUPART_PASSWORD).empty()) {
    return Error{ErrorCode::kInvalidArgument, "a URL with a user's name or password is not used",
                 "HF_TOKEN is the way to say who asks"};
  }
  EgressTarget target;
  target.scheme = lower(part_of(parsed.get(), CURLUPART_SCHEME));
  target.host = lower(part_of(parsed.get(), CURLUPART_HOST));
  const std::string port = part_of(parsed.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT);
  std::from_chars(port.data(), port.data() + port.size(), target.port);
  if (target.scheme != "https" && !(target.scheme == "http" && is_loopback_name(target.host))) {
    return Error{ErrorCode::kForbidden,
                 fmt::format("{} is not https; nothing was sent", shown_url(url)),
                 "only a server on this machine may be asked without encryption", "",
                 Reason{"egress_not_https"}};
  }
  const uint32_t own_port = target.scheme == "https" ? 443 : 80;
  bool is_listed = false;
  for (const Entry& entry : entries_) {
    if (target.port != (entry.port == 0 ? own_port : entry.port)) continue;
    const bool is_below = entry.host.starts_with('.') && target.host.ends_with(entry.host) &&
                          target.host.size() > entry.host.size();
    const bool is_named = target.host == entry.host;
    is_listed = is_listed || is_below || is_named;
    target.may_be_private = target.may_be_private || is_named;
  }
  if (is_listed) return target;
  const std::string place =
      target.port == own_port ? target.host : fmt::format("{}:{}", target.host, target.port);
  return Error{ErrorCode::kForbidden,
               fmt::format("{} is not on the list of hosts that may be contacted", place),
               fmt::format("if you trust it, add \"{}\" to the setting egress_hosts", place),
               "egress_hosts", Reason{"egress_unlisted", {{"host", place}}}};
}

bool is_public_address(const sockaddr* address) {
  const Address read = read_address(address);
  if (read.v4) return is_public_v4(*read.v4);
  // Global unicast without the documentation prefix.
  return read.v6 && ((*read.v6)[0] & 0xe0) == 0x20 &&
         !starts_with(*read.v6, {0x20, 0x01, 0x0d, 0xb8});
}

bool is_loopback_address(const sockaddr* address) {
  const Address read = read_address(address);
  if (read.v4) return *read.v4 >> 24 == 127;
  return read.v6 && *read.v6 == Bytes16{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
}

std::string shown_url(std::string_view url) {
  return std::string(url.substr(0, url.find_first_of("?#")));
}

}  // namespace maru::net
