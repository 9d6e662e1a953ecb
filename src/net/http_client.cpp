#include "net/http_client.h"

#include <curl/curl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <utility>

namespace maru::net {
namespace {

constexpr int kPollMs = 100;
constexpr size_t kMaxHeadBytes = size_t{64} << 10;

struct EasyDelete {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
struct MultiDelete {
  void operator()(CURLM* handle) const { curl_multi_cleanup(handle); }
};
struct ListDelete {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

struct Transfer {
  const ClientRequest& request;
  CURL* easy;
  ClientResponse response = {};
  bool is_too_large = false;
  bool is_address_refused = false;
  bool is_body_begun = false;
  size_t n_head_bytes = 0;
  std::chrono::steady_clock::time_point last_byte = std::chrono::steady_clock::now();
};

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && std::string_view(" \t\r\n").find(text.front()) != text.npos) {
    text.remove_prefix(1);
  }
  while (!text.empty() && std::string_view(" \t\r\n").find(text.back()) != text.npos) {
    text.remove_suffix(1);
  }
  return text;
}

// One line of the head, its status line included.
size_t take_head(char* bytes, size_t, size_t n, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  transfer.last_byte = std::chrono::steady_clock::now();
  transfer.n_head_bytes += n;
  if (transfer.n_head_bytes > kMaxHeadBytes) {
    transfer.is_too_large = true;
    return 0;
  }
  const std::string_view line(bytes, n);
  if (line.starts_with("HTTP/")) transfer.response.headers.clear();  // after a 1xx answer
  const size_t colon = line.find(':');
  if (colon != std::string_view::npos) {
    transfer.response.headers.push_back(
        {std::string(line.substr(0, colon)), std::string(trimmed(line.substr(colon + 1)))});
  }
  return n;
}

size_t take_bytes(char* bytes, size_t, size_t n, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  transfer.last_byte = std::chrono::steady_clock::now();
  long status = 0;
  curl_easy_getinfo(transfer.easy, CURLINFO_RESPONSE_CODE, &status);
  transfer.response.status = static_cast<int>(status);
  if ((status == 200 || status == 206) && transfer.request.on_bytes) {
    if (!std::exchange(transfer.is_body_begun, true) && transfer.request.on_head &&
        !transfer.request.on_head(transfer.response)) {
      transfer.response.is_stopped = true;
      return 0;
    }
    transfer.request.on_bytes({bytes, n});
    return n;
  }
  if (transfer.response.body.size() + n > transfer.request.max_body_bytes) {
    transfer.is_too_large = true;
    return 0;
  }
  transfer.response.body.append(bytes, n);
  return n;
}

// libcurl opens its sockets here, so the address that is checked is the one that is connected to,
// whatever a name resolves to the next time.
curl_socket_t open_socket(void* user, curlsocktype, curl_sockaddr* address) {
  auto& transfer = *static_cast<Transfer*>(user);
  if (const EgressTarget* guard = transfer.request.guard) {
    const bool is_loopback = is_loopback_address(&address->addr);
    if ((guard->scheme == "http" && !is_loopback) ||
        (!guard->may_be_private && !is_public_address(&address->addr))) {
      transfer.is_address_refused = true;
      return CURL_SOCKET_BAD;
    }
  }
  return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

Error failed(const ClientRequest& request, const std::string& what) {
  return {ErrorCode::kUnavailable, fmt::format("{}: {}", shown_url(request.url), what),
          "does the server run, and is the address right?"};
}

// Runs the transfer to its end, asking should_stop in between.
Result<CURLcode> drive(CURLM* multi, Transfer& transfer) {
  const ClientRequest& request = transfer.request;
  while (true) {
    int n_running = 0;
    if (curl_multi_perform(multi, &n_running) != CURLM_OK) return failed(request, "curl failed");
    int n_left = 0;
    if (const CURLMsg* message = curl_multi_info_read(multi, &n_left);
        message != nullptr && message->msg == CURLMSG_DONE) {
      return message->data.result;
    }
    if (request.should_stop && request.should_stop()) {
      transfer.response.is_stopped = true;
      return CURLE_OK;
    }
    const auto idle = std::chrono::steady_clock::now() - transfer.last_byte;
    if (request.idle_timeout.count() != 0 && idle > request.idle_timeout) {
      return failed(request, "the server fell silent");
    }
    curl_multi_poll(multi, nullptr, 0, kPollMs, nullptr);
  }
}

}  // namespace

Result<ClientResponse> send_request(const ClientRequest& request) {
  static const CURLcode global = curl_global_init(CURL_GLOBAL_DEFAULT);
  const std::unique_ptr<CURL, EasyDelete> easy(curl_easy_init());
  const std::unique_ptr<CURLM, MultiDelete> multi(curl_multi_init());
  if (global != CURLE_OK || !easy || !multi) return failed(request, "curl can't start");

  curl_slist* items = nullptr;
  for (const Header& header : request.headers) {
    items = curl_slist_append(items, (header.name + ": " + header.value).c_str());
  }
  items = curl_slist_append(items, "Expect:");  // no round trip before a body
  const std::unique_ptr<curl_slist, ListDelete> headers(items);

  Transfer transfer{request, easy.get()};
  CURL* handle = easy.get();
  curl_easy_setopt(handle, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(handle, CURLOPT_NOPROXY, "*");
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle, CURLOPT_HTTP_VERSION, long{CURL_HTTP_VERSION_1_1});
  curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS,
                   static_cast<long>(request.connect_timeout.count()));
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, take_bytes);
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, take_head);
  curl_easy_setopt(handle, CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(handle, CURLOPT_OPENSOCKETFUNCTION, open_socket);
  curl_easy_setopt(handle, CURLOPT_OPENSOCKETDATA, &transfer);
  if (!request.body.empty()) {
    curl_easy_setopt(handle, CURLOPT_POSTFIELDS, request.body.data());
    curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(request.body.size()));
  }
  curl_multi_add_handle(multi.get(), handle);
  const Result<CURLcode> code = drive(multi.get(), transfer);
  long status = 0;
  curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
  const char* location = nullptr;
  curl_easy_getinfo(handle, CURLINFO_REDIRECT_URL, &location);
  std::string redirect = location == nullptr ? "" : location;
  curl_multi_remove_handle(multi.get(), handle);
  if (!code) return code.error();
  if (transfer.is_too_large) {
    return Error{ErrorCode::kTooLarge,
                 fmt::format("{}: the answer is larger than {} bytes", shown_url(request.url),
                             request.max_body_bytes),
                 "is it the right address?"};
  }
  if (transfer.is_address_refused && *code != CURLE_OK) {
    return Error{ErrorCode::kForbidden,
                 fmt::format("{} leads to an address that is not public; nothing was sent",
                             shown_url(request.url)),
                 "a host of your own network is named in full in the setting egress_hosts"};
  }
  if (*code == CURLE_URL_MALFORMAT || *code == CURLE_UNSUPPORTED_PROTOCOL) {
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("{}: {}", shown_url(request.url), curl_easy_strerror(*code)),
                 "a URL starts with http:// or https://"};
  }
  if (*code != CURLE_OK && !transfer.response.is_stopped) {
    return failed(request, curl_easy_strerror(*code));
  }
  transfer.response.status = static_cast<int>(status);
  transfer.response.redirect = std::move(redirect);
  return std::move(transfer.response);
}

std::string_view ClientResponse::header(std::string_view name) const {
  for (const Header& header : headers) {
    if (equal_ignoring_case(header.name, name)) return header.value;
  }
  return {};
}

Result<ClientResponse> fetch(ClientRequest request, const EgressList& egress,
                             const std::string& token) {
  MARU_ASSIGN_OR_RETURN(const EgressTarget origin, egress.check(request.url));
  const std::vector<Header> plain = request.headers;
  for (int hop = 0; hop <= kMaxRedirects; ++hop) {
    MARU_ASSIGN_OR_RETURN(const EgressTarget target, egress.check(request.url));
    request.guard = &target;
    request.headers = plain;
    if (!token.empty() && target == origin) {
      request.headers.push_back({"Authorization", "Bearer " + token});
    }
    MARU_ASSIGN_OR_RETURN(ClientResponse response, send_request(request));
    if (response.is_stopped || response.redirect.empty()) return response;
    request.url = response.redirect;
  }
  return Error{
      ErrorCode::kForbidden,
      fmt::format("{} redirects more than {} times", shown_url(request.url), kMaxRedirects),
      "is it the right address?"};
}

}  // namespace maru::net
