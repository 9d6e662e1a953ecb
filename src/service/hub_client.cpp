#include "service/hub_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "service/hub_patience.h"

namespace maru::service {
namespace {

using net::ClientRequest;
using net::ClientResponse;

constexpr uint64_t kSpanBytes = uint64_t{64} << 20;  // of one request
constexpr uint64_t kShareBytes = uint64_t{4} << 20;  // below it a second connection does not pay

// A path or revision in a URL; '/' stays only where the server takes it as one.
std::string encoded(std::string_view text, bool keeps_slash) {
  std::string out;
  for (const char c : text) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == '~';
    if (is_plain || (keeps_slash && c == '/')) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

bool is_visible_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

struct ContentRange {
  uint64_t first = 0, last = 0, total = 0;
};

// "bytes 0-99/1234"
std::optional<ContentRange> parse_content_range(std::string_view text) {
  constexpr std::string_view kUnit = "bytes ";
  if (!text.starts_with(kUnit)) return std::nullopt;
  ContentRange range;
  const char* at = text.data() + kUnit.size();
  const char* end = text.data() + text.size();
  for (const auto& [value, mark] : {std::pair{&range.first, '-'}, {&range.last, '/'}}) {
    const auto [stop, code] = std::from_chars(at, end, *value);
    if (code != std::errc{} || stop == end || *stop != mark) return std::nullopt;
    at = stop + 1;
  }
  const auto [stop, code] = std::from_chars(at, end, range.total);
  if (code != std::errc{} || stop != end) return std::nullopt;
  return range;
}

Error lies(const std::string& path, const std::string& what) {
  return {ErrorCode::kCorrupt, fmt::format("{}: {}", path, what),
          "nothing of it was kept as a model; try again later, or another hub", "",
          Reason{"hub_file_wrong", {{"file", path}}}};
}

// One file on its way, shared by the connections that fetch it.
class Download {
 public:
  Download(const HubOptions& options, std::string url, const HubFile& file, StagedFile& to,
           const std::function<void(uint64_t)>& on_bytes)
      : options_(options), url_(std::move(url)), file_(file), to_(to), on_bytes_(on_bytes) {}

  Status run() {
    // The first piece is fetched alone: it tells whether the server knows ranges, and the version.
    if (const auto first = to_.claim(StagedFile::kCellBytes)) {
      fetch_span(*first);
      to_.release(*first);
    }
    const uint64_t n_left = to_.size() - to_.done_bytes();
    const uint64_t n_threads =
        is_sequential_ ? 1 : std::clamp<uint64_t>(n_left / kShareBytes, 1, options_.n_connections);
    std::vector<std::thread> threads;
    for (uint64_t i = 1; i < n_threads; ++i) threads.emplace_back([this] { work(); });
    work();
    for (std::thread& thread : threads) thread.join();
    const std::lock_guard lock(mutex_);
    if (failure_) return *failure_;
    return to_.is_complete() ? Status() : Status(Error{ErrorCode::kUnavailable, "stopped"});
  }

 private:
  void work() {
    while (!is_over()) {
      const uint64_t fair = (to_.size() - to_.done_bytes()) / options_.n_connections;
      const auto span = to_.claim(std::clamp(fair, kShareBytes, kSpanBytes));
      if (!span) return;
      fetch_span(*span);
      to_.release(*span);
    }
  }

  bool is_over() const { return has_failed_ || (options_.should_stop && options_.should_stop()); }

  void fail(Error error) {
    const std::lock_guard lock(mutex_);
    if (!failure_) failure_ = std::move(error);
    has_failed_ = true;
  }

  // Ends with the span done, or with a failure.
  void fetch_span(StagedFile::Span span) {
    Patience patience(options_.n_tries, options_.should_stop);
    while (!is_over()) {
      uint64_t at = span.begin;
      const Attempt attempt = try_span(span, at);
      if (!attempt.error) return;
      // What came before the cut is kept: whole cells of it.
      const uint64_t kept = at / StagedFile::kCellBytes * StagedFile::kCellBytes;
      if (!is_sequential_ && kept > span.begin) {
        span.begin = kept;
        patience.restart();
      }
      if (!attempt.may_retry || !patience.wait(attempt.retry_after)) {
        fail(*attempt.error);
        return;
      }
    }
    if (!has_failed_) fail({ErrorCode::kUnavailable, "stopped"});
  }

  // `at`: how far it came.
  Attempt try_span(const StagedFile::Span& span, uint64_t& at) {
    std::optional<Error> fault;
    uint64_t end = span.end;
    ClientRequest request;
    request.url = url_;
    request.idle_timeout = options_.idle_timeout;
    request.headers = {{"Accept-Encoding", "identity"}};
    const bool is_whole = span.begin == 0 && span.end == to_.size();
    if (!is_whole) {
      request.headers.push_back({"Range", fmt::format("bytes={}-{}", span.begin, span.end - 1)});
      if (const std::string etag = to_.etag(); !etag.empty()) {
        request.headers.push_back({"If-Range", etag});
      }
    }
    request.should_stop = [this, &fault] { return fault.has_value() || is_over(); };
    request.on_head = [&](const ClientResponse& head) {
      fault = check_head(head, span, end);
      return !fault;
    };
    request.on_bytes = [&](std::string_view bytes) {
      if (fault) return;
      if (bytes.size() > end - at) {
        fault = lies(file_.path, "the server sends more bytes than it promised");
        return;
      }
      const Status written =
          to_.write(span.begin, at, {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
      if (!written) {
        fault = written.error();
        return;
      }
      at += bytes.size();
      const std::lock_guard lock(mutex_);
      if (on_bytes_) on_bytes_(to_.done_bytes());
    };
    auto response = net::fetch(std::move(request), options_.egress, options_.token);
    if (fault) return {std::move(fault), false, {}};
    Attempt attempt = judge(response, file_.path, !options_.token.empty());
    if (!attempt.error && at < end) {
      attempt = {lies(file_.path, "the server sends fewer bytes than it promised"), true, {}};
    }
    return attempt;
  }

  // `end`: where the body will end, which is the file's end if the server knows no ranges.
  std::optional<Error> check_head(const ClientResponse& head, const StagedFile::Span& span,
                                  uint64_t& end) {
    if (head.header("content-type").starts_with("text/html")) {
      return lies(file_.path, "the server sends a web page instead of the file");
    }
    if (!head.header("content-encoding").empty() && head.header("content-encoding") != "identity") {
      return lies(file_.path, "the server sends the file compressed, which was not asked for");
    }
    uint64_t total = to_.size();
    if (head.status == 206) {
      const auto range = parse_content_range(head.header("content-range"));
      if (!range || range->first != span.begin || range->last + 1 != span.end) {
        return lies(file_.path, "the server sends another range than it was asked for");
      }
      total = range->total;
    } else if (const std::string_view text = head.header("content-length"); !text.empty()) {
      std::from_chars(text.data(), text.data() + text.size(), total);
    }
    if (total != to_.size()) {
      return lies(file_.path,
                  fmt::format("the hub lists {} bytes, the server has {}", to_.size(), total));
    }
    if (head.status == 200 && span.begin != 0) {
      return Error{ErrorCode::kConflict, file_.path + " changed since its first part was fetched",
                   "", "", Reason{"hub_file_changed", {{"file", file_.path}}}};
    }
    if (head.status == 200) {
      is_sequential_ = span.end != to_.size();
      end = to_.size();
    }
    // Weak tags do not tell bytes apart (RFC 9110, 13.1.5). It goes back in a header of ours.
    const std::string_view etag = head.header("etag");
    if (!etag.starts_with("W/") && etag.size() < 256 && is_visible_ascii(etag)) {
      if (const Status kept = to_.set_etag(std::string(etag)); !kept) return kept.error();
    }
    return std::nullopt;
  }

  const HubOptions& options_;
  const std::string url_;
  const HubFile& file_;
  StagedFile& to_;
  const std::function<void(uint64_t)>& on_bytes_;
  std::mutex mutex_;  // failure_, on_bytes_
  std::optional<Error> failure_;
  std::atomic<bool> has_failed_{false};
  std::atomic<bool> is_sequential_{false};  // the server sends whole files only
};

}  // namespace

Result<HubClient> HubClient::create(HubOptions options) {
  while (options.endpoint.ends_with('/')) options.endpoint.pop_back();
  if (!is_visible_ascii(options.token)) {
    return Error{ErrorCode::kInvalidArgument, "HF_TOKEN holds characters that no token has",
                 "copy it again from the hub's settings", "", Reason{"hub_token_bad"}};
  }
  MARU_RETURN_IF_ERROR(options.egress.check(options.endpoint));
  return HubClient(std::move(options));
}

Result<HubAnswer> HubClient::ask(const std::string& repository, const std::string& revision) const {
  const uint32_t n_tries = options_.n_ask_tries == 0 ? options_.n_tries : options_.n_ask_tries;
  Patience patience(n_tries, options_.should_stop);
  while (true) {
    ClientRequest request;
    request.url = fmt::format("{}/api/models/{}/revision/{}?blobs=true", options_.endpoint,
                              encoded(repository, true), encoded(revision, false));
    request.idle_timeout = options_.idle_timeout;
    request.should_stop = options_.should_stop;
    const auto response = net::fetch(std::move(request), options_.egress, options_.token);
    const Attempt attempt = judge(response, repository, !options_.token.empty());
    if (!attempt.error) return parse_hub_answer(response->body);
    if (!attempt.may_retry || !patience.wait(attempt.retry_after)) return *attempt.error;
  }
}

Status HubClient::download(const std::string& repository, const std::string& commit,
                           const HubFile& file, StagedFile& to,
                           const std::function<void(uint64_t)>& on_bytes) const {
  const std::string url = fmt::format("{}/{}/resolve/{}/{}", options_.endpoint,
                                      encoded(repository, true), commit, encoded(file.path, true));
  Download download(options_, url, file, to, on_bytes);
  return download.run();
}

}  // namespace maru::service
