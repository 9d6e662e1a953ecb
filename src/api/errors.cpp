#include "api/errors.h"

#include "base/json.h"

namespace maru::api {
namespace {

struct Row {
  ErrorCode error;
  int status;
  const char* type;
  const char* code;
};

constexpr int kRetryAfterSeconds = 1;

// A request that exceeds a limit of the body never gets here (net answers 413): kTooLarge is the
// model's context.
constexpr Row kTable[] = {
    {ErrorCode::kInvalidArgument, 400, "invalid_request_error", "invalid_value"},
    {ErrorCode::kUnauthenticated, 401, "authentication_error", "invalid_api_key"},
    {ErrorCode::kForbidden, 403, "permission_error", "forbidden"},
    {ErrorCode::kNotFound, 404, "invalid_request_error", "model_not_found"},
    {ErrorCode::kConflict, 409, "invalid_request_error", "conflict"},
    {ErrorCode::kTooLarge, 400, "invalid_request_error", "context_length_exceeded"},
    {ErrorCode::kRateLimited, 429, "rate_limit_error", "rate_limit_exceeded"},
    {ErrorCode::kUnavailable, 503, "server_error", "unavailable"},
    {ErrorCode::kCorrupt, 500, "server_error", "corrupt"},
    {ErrorCode::kInternal, 500, "server_error", "internal_error"},
};

}  // namespace

ApiError to_api_error(const Error& error) {
  const Row* found = &kTable[std::size(kTable) - 1];
  for (const Row& row : kTable) {
    if (row.error == error.code) found = &row;
  }
  ApiError result{found->status, found->type, found->code, error.message,
                  error.param,   0,           error.reason};
  if (result.reason.name.empty()) result.reason.name = error_code_name(error.code);
  if (error.code == ErrorCode::kNotFound && error.param != "model") result.code = "not_found";
  if (!error.hint.empty()) result.message += ": " + error.hint;
  if (found->status == 429 || found->status == 503) result.retry_after_seconds = kRetryAfterSeconds;
  return result;
}

ApiError to_api_error(const service::Refusal& refusal) {
  constexpr int64_t kSecond = 1000;
  ApiError error = to_api_error(refusal.error);
  if (!refusal.type.empty()) error.type = refusal.type;
  if (!refusal.code.empty()) error.code = refusal.code;
  if (refusal.retry_after_ms > 0) {
    error.retry_after_seconds = static_cast<int>((refusal.retry_after_ms + kSecond - 1) / kSecond);
  }
  return error;
}

ApiError make_http_error(int status, std::string_view message) {
  ApiError error;
  error.status = status;
  error.type = status >= 500 ? "server_error" : "invalid_request_error";
  switch (status) {
    case 404: error.code = "unknown_url"; break;
    case 405: error.code = "method_not_allowed"; break;
    case 408: error.code = "request_timeout"; break;
    case 413: error.code = "request_too_large"; break;
    case 415: error.code = "unsupported_media_type"; break;
    case 426: error.code = "upgrade_required"; break;
    case 431: error.code = "header_too_large"; break;
    case 500: error.code = "internal_error"; break;
    case 503: error.code = "unavailable"; break;
    default: break;
  }
  error.message = std::string(message);
  if (status == 503) error.retry_after_seconds = kRetryAfterSeconds;
  return error;
}

Shape shape_for(std::string_view path) {
  return path.starts_with("/api/") ? Shape::kWithReason : Shape::kOpenAi;
}

std::string error_json(const ApiError& error, Shape shape) {
  Json body;
  body["message"] = error.message;
  body["type"] = error.type;
  body["param"] = error.param.empty() ? Json(nullptr) : Json(error.param);
  body["code"] = error.code.empty() ? Json(nullptr) : Json(error.code);
  if (shape == Shape::kWithReason && !error.reason.name.empty()) {
    add_reason(body, {.message = "", .reason = error.reason});
  }
  return dump_json(Json{{"error", std::move(body)}});
}

net::Response error_response(const ApiError& error, Shape shape) {
  net::Response response{error.status, error_json(error, shape), "application/json", {}};
  if (error.retry_after_seconds > 0) {
    response.headers.push_back({"Retry-After", std::to_string(error.retry_after_seconds)});
  }
  if (error.status == 401) response.headers.push_back({"WWW-Authenticate", "Bearer"});
  return response;
}

}  // namespace maru::api
