// The web app: one page for all of its addresses, and the files that it asks for. Everybody may
// read it; what it shows comes through the API, with a credential.
#include "api/page.h"

#include "api/endpoint.h"

namespace maru::api {
namespace {

void send_file(const Call& call, std::string_view path) {
  const PageBundle bundle = page_bundle();
  if (const PageFile* const file = bundle.find(path)) {
    return call.writer.send(page_response(bundle, *file, call.request));
  }
  if (bundle.files.empty()) {
    return call.writer.send({404,
                             "This Maru was built without its web page; the API is at /v1.\n",
                             "text/plain; charset=utf-8",
                             {}});
  }
  call.fail(
      make_http_error(404, "Invalid URL (" + call.request.method + " " + call.request.path + ")"));
}

void page(const Call& call) { send_file(call, "/"); }
void page_file(const Call& call) { send_file(call, call.request.path); }

constexpr Endpoint kEndpoints[] = {
    {"page", "GET", "/", Run::kInline, kPublic, page},
    {"page_chat", "GET", "/chat/{chat}", Run::kInline, kPublic, page},
    {"page_with", "GET", "/with/{assistant}", Run::kInline, kPublic, page},
    {"page_library", "GET", "/library", Run::kInline, kPublic, page},
    {"page_ratings", "GET", "/ratings", Run::kInline, kPublic, page},
    {"page_shared", "GET", "/shared/{token}", Run::kInline, kPublic, page},
    {"page_login", "GET", "/login", Run::kInline, kPublic, page},
    {"page_settings", "GET", "/settings", Run::kInline, kPublic, page},
    {"page_settings_part", "GET", "/settings/{part}", Run::kInline, kPublic, page},
    {"page_admin", "GET", "/admin", Run::kInline, kPublic, page},
    {"page_admin_part", "GET", "/admin/{part}", Run::kInline, kPublic, page},
    {"page_welcome", "GET", "/welcome", Run::kInline, kPublic, page},
    // At the root, so that it may answer for all addresses of the page.
    {"page_service_worker", "GET", "/service_worker.js", Run::kInline, kPublic, page_file},
    {"page_asset", "GET", "/assets/{file}", Run::kInline, kPublic, page_file},
};

}  // namespace

extern const Resource resource_page;
const Resource resource_page{kEndpoints};

}  // namespace maru::api
