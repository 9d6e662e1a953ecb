// Errors as clients see them: OpenAI's shape {"error": {message, type, param, code}} and the one
// table from ErrorCode to status, type and code.
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
};

ApiError to_api_error(const Error& error);
ApiError to_api_error(const service::Refusal& refusal);
// For errors that HTTP itself knows (400, 404, 405, 408, 413, 415, 431, 500, 503).
ApiError make_http_error(int status, std::string_view message);

std::string error_json(const ApiError& error);
net::Response error_response(const ApiError& error);

}  // namespace maru::api
