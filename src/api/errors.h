// Errors as clients see them: OpenAI's shape {"error": {message, type, param, code}} and the one
// table from ErrorCode to status, type and code. Under /api/ they tell their reason too, by which
// the page finds its words.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "net/http.h"
#include "service/limits.h"

namespace maru::api {

struct ApiError {
  int status = 500;
  std::string type;  // "invalid_request_error"...
  std::string code;  // empty: null on the wire
  std::string message;
  std::string param;            // empty: null
  int retry_after_seconds = 0;  // sent as Retry-After if not 0
  Reason reason = {};           // empty: `code` says it
};

ApiError to_api_error(const Error& error);
ApiError to_api_error(const service::Refusal& refusal);
// For errors that HTTP itself knows (400, 404, 405, 408, 413, 415, 431, 500, 503).
ApiError make_http_error(int status, std::string_view message);

enum class Shape : uint8_t { kOpenAi, kWithReason };
Shape shape_for(std::string_view path);

std::string error_json(const ApiError& error, Shape shape);
net::Response error_response(const ApiError& error, Shape shape);

}  // namespace maru::api
