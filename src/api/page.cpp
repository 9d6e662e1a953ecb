#include "api/page.h"

#include <algorithm>
#include <string>

namespace maru::api {
namespace {

// Scripts and styles only from here and never inline, nothing from other hosts, no frames; markup
// becomes elements, and addresses scripts, only through the named policies (Svelte's own templates,
// the sanitiser, the page's worker).
constexpr const char* kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "font-src 'self'; connect-src 'self'; worker-src 'self'; manifest-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types svelte-trusted-html dompurify maru-worker";

std::string_view trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

// Cuts the part up to the next comma off `list`.
std::string_view next_item(std::string_view& list) {
  const size_t comma = std::min(list.find(','), list.size());
  const std::string_view item = trim(list.substr(0, comma));
  list.remove_prefix(std::min(comma + 1, list.size()));
  return item;
}

// RFC 9110, 12.5.3; a coding is refused by a weight of zero.
bool accepts(std::string_view header, std::string_view coding) {
  while (!header.empty()) {
    const std::string_view item = next_item(header);
    const size_t semicolon = std::min(item.find(';'), item.size());
    if (!net::equal_ignoring_case(trim(item.substr(0, semicolon)), coding)) continue;
    const std::string_view weight = trim(item.substr(std::min(semicolon + 1, item.size())));
    return !weight.starts_with("q=0") || weight.find_first_of("123456789") != weight.npos;
  }
  return false;
}

// RFC 9110, 13.1.2: compared weakly.
bool is_among(std::string_view header, std::string_view quoted) {
  while (!header.empty()) {
    std::string_view item = next_item(header);
    if (item == "*") return true;
    if (item.starts_with("W/")) item.remove_prefix(2);
    if (item == quoted) return true;
  }
  return false;
}

}  // namespace

const PageFile* PageBundle::find(std::string_view path) const {
  for (const PageFile& file : files) {
    if (path == file.path) return &file;
  }
  return nullptr;
}

net::Response page_response(const PageBundle& bundle, const PageFile& file,
                            const net::Request& request) {
  const std::string_view accepted = request.header("accept-encoding");
  const PagePart* part = &file.plain;
  std::string etag = file.etag;
  const char* coding = nullptr;
  if (file.brotli.size > 0 && accepts(accepted, "br")) {
    part = &file.brotli;
    coding = "br";
  } else if (file.gzip.size > 0 && accepts(accepted, "gzip")) {
    part = &file.gzip;
    coding = "gzip";
  }
  if (coding != nullptr) etag += std::string("-") + coding;
  etag = '"' + etag + '"';

  net::Response response{200, "", file.content_type, {}};
  response.headers = {
      {"ETag", etag},
      {"Vary", "Accept-Encoding"},
      {"Cache-Control", file.is_immutable ? "public, max-age=31536000, immutable" : "no-cache"},
      {"Content-Security-Policy", kPolicy},
      {"X-Content-Type-Options", "nosniff"},
      {"X-Frame-Options", "DENY"},
      {"Referrer-Policy", "no-referrer"},
      {"Cross-Origin-Opener-Policy", "same-origin"},
      {"Cross-Origin-Resource-Policy", "same-origin"},
      {"Permissions-Policy", "camera=(), geolocation=(), microphone=()"}};
  if (is_among(request.header("if-none-match"), etag)) {
    response.status = 304;
    return response;
  }
  if (coding != nullptr) response.headers.push_back({"Content-Encoding", coding});
  response.body = bundle.bytes.substr(part->begin, part->size);
  return response;
}

}  // namespace maru::api
