// Calls that need a loaded model: they wait while it is loaded, or are told to come again.
#pragma once

#include <functional>
#include <string>

#include "api/endpoint.h"

namespace maru::api {

// Set to "no", a request is answered 503 with Retry-After where it would have to wait for a load
// (which begins all the same).
inline constexpr const char* kWaitHeader = "x-maru-wait";

using WithModel = std::function<void(const Call& call, const service::ModelUse& model)>;

// Finds the model as find_model() does and calls `then` with it, now or on a worker once it is
// loaded; the call is failed where that can't be. A call that `streams` has its server-sent events
// begun before it waits (Call::streams), so that heartbeats go out.
void with_model(const Call& call, const std::string& name, bool streams, WithModel then);

// Headers and heartbeat of a stream of events, with `headers` beside.
void begin_events(const ApiContext& context, const net::ResponseWriter& writer,
                  std::vector<net::Header> headers = {});

// The error's own, or model_failed.
Reason reason_of_model(const std::string& name, const Error& error);

// That a model can't be used now: 503 whatever is wrong with it, since the request is not to blame.
ApiError model_error(const std::string& name, const Error& error);

}  // namespace maru::api
