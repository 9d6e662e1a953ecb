#include "api/with_model.h"

#include <memory>
#include <utility>

#include "base/log.h"

namespace maru::api {
namespace {

constexpr int kRetryAfterSeconds = 5;  // loads take seconds

// A call that waits for a load. Whoever loads the model knows the server only weakly: its thread
// must not be the last to let go of it.
struct Waiting {
  Call call;  // without its context
  std::weak_ptr<ApiContext> context;
  std::string name;
  WithModel then;
};

void go_on(const std::shared_ptr<Waiting>& waiting, const Result<service::ModelUse>& use) {
  auto context = waiting->context.lock();
  if (!context) return;
  const auto resume = [waiting, use, context] {
    Call call = waiting->call;
    call.context = context;
    if (!use) return call.fail(model_error(waiting->name, use.error()));
    try {
      waiting->then(call, *use);
    } catch (const std::exception& e) {  // a library's, or memory gone
      log_error("request {}: {}", call.request.id, e.what());
      call.fail(make_http_error(500, "the server failed to answer"));
    }
  };
  if (!context->run_on_worker || !context->run_on_worker(resume)) {
    waiting->call.fail(to_api_error(Error{ErrorCode::kRateLimited, "too many requests are waiting",
                                          "try again in a moment", "", Reason{"server_busy"}}));
  }
}

}  // namespace

void begin_events(const ApiContext& context, const net::ResponseWriter& writer,
                  std::vector<net::Header> headers) {
  headers.push_back({"Cache-Control", "no-cache"});
  headers.push_back({"X-Accel-Buffering", "no"});
  writer.begin_stream({200, "", "text/event-stream", std::move(headers)},
                      {context.heartbeat, ": heartbeat\n\n"});
}

Reason reason_of_model(const std::string& name, const Error& error) {
  if (!error.reason.name.empty()) return error.reason;
  return Reason{"model_failed", {{"model", name}, {"why", error.message}}};
}

ApiError model_error(const std::string& name, const Error& error) {
  ApiError out = to_api_error(error);
  // A model that is not there names the parameter; a file that a model lacks does not.
  const bool is_unknown = error.code == ErrorCode::kNotFound && error.param == "model";
  if (is_unknown || error.code == ErrorCode::kRateLimited) return out;
  out.reason = reason_of_model(name, error);
  out.status = 503;
  out.type = "server_error";
  out.code = "model_unavailable";
  out.param = "model";
  out.message = "the model '" + name + "' can't be used: " + out.message;
  out.retry_after_seconds = error.code == ErrorCode::kUnavailable ? kRetryAfterSeconds : 0;
  return out;
}

void with_model(const Call& call, const std::string& name, bool streams, WithModel then) {
  const auto found = find_model(call, name);
  if (!found) return call.fail(to_api_error(found.error()));
  service::ModelPool& models = call.context->service->models();
  if (const service::ModelUse loaded = models.admit(*found)) return then(call, loaded);
  if (const auto facts = models.facts(*found); facts.can_embed || facts.can_rerank) {
    return call.fail(to_api_error(facts.problem));
  }
  if (call.request.header(kWaitHeader) == "no") {
    // Who never waits hears here why the load before failed; the next one begins all the same.
    const Error failed = models.last_error(*found);
    models.open(*found, [](const Result<service::ModelUse>&) {});
    if (const service::ModelUse loaded = models.admit(*found)) return then(call, loaded);
    if (!failed.message.empty()) return call.fail(model_error(*found, failed));
    return call.fail(model_error(*found, {ErrorCode::kUnavailable, "it is being loaded",
                                          "try again in some seconds, or wait", "",
                                          Reason{"model_loading", {{"model", *found}}}}));
  }
  auto waiting = std::make_shared<Waiting>(Waiting{call, call.context, *found, std::move(then)});
  if (streams && !call.streams) {
    begin_events(*call.context, call.writer);
    waiting->call.streams = true;
  }
  waiting->call.context = nullptr;
  models.open(*found, [waiting](Result<service::ModelUse> use) {
    // By the connection: its thread may hold the server.
    waiting->call.writer.post([waiting, use = std::move(use)] { go_on(waiting, use); });
  });
}

}  // namespace maru::api
