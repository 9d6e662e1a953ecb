#include "net/http_client.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <memory>

namespace maru::net {
namespace {

constexpr int kPollMs = 100;

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
  std::chrono::steady_clock::time_point last_byte = std::chrono::steady_clock::now();
};

size_t take_bytes(char* bytes, size_t, size_t n, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  transfer.last_byte = std::chrono::steady_clock::now();
  long status = 0;
  curl_easy_getinfo(transfer.easy, CURLINFO_RESPONSE_CODE, &status);
  if (status == 200 && transfer.request.on_bytes) {
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

Error failed(const ClientRequest& request, const std::string& what) {
  return {ErrorCode::kUnavailable, fmt::format("{}: {}", request.url, what),
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
  if (!request.body.empty()) {
    curl_easy_setopt(handle, CURLOPT_POSTFIELDS, request.body.data());
    curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(request.body.size()));
  }
  curl_multi_add_handle(multi.get(), handle);
  const Result<CURLcode> code = drive(multi.get(), transfer);
  long status = 0;
  curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
  curl_multi_remove_handle(multi.get(), handle);
  if (!code) return code.error();
  if (transfer.is_too_large) {
    return Error{ErrorCode::kTooLarge, fmt::format("{}: the answer is larger than {} bytes",
                                                   request.url, request.max_body_bytes)};
  }
  if (*code == CURLE_URL_MALFORMAT || *code == CURLE_UNSUPPORTED_PROTOCOL) {
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("{}: {}", request.url, curl_easy_strerror(*code)),
                 "a URL starts with http:// or https://"};
  }
  if (*code != CURLE_OK) return failed(request, curl_easy_strerror(*code));
  transfer.response.status = static_cast<int>(status);
  return std::move(transfer.response);
}

}  // namespace maru::net
