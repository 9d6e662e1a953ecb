// GET /v1/models/{model}
#include "api/encode.h"
#include "api/endpoint.h"
#include "api/wire/models.h"
#include "base/json.h"

namespace maru::api {
namespace {

void handle(const Call& call) {
  for (const bool is_reranker : {false, true}) {
    const auto encoder = find_encoder(call, call.path_arguments[0], is_reranker);
    if (encoder) return call.answer(dump_json(model_json(**encoder)));
  }
  const auto name = find_model(call, call.path_arguments[0]);
  if (!name) return call.fail(to_api_error(name.error()));
  const service::ModelPool& models = call.context->service->models();
  for (const service::ModelStatus& model : models.list()) {
    if (model.name != *name) continue;
    return call.answer(dump_json(model_json(model, models.facts(model.name))));
  }
  call.fail(to_api_error(Error{ErrorCode::kNotFound, "the model '" + *name + "' is gone",
                               "GET /v1/models lists what is served", "model"}));
}

}  // namespace

extern const Endpoint endpoint_model;
constinit const Endpoint endpoint_model{
    "model", "GET", "/v1/models/{model...}", Run::kWorker, {Who::kCaller, Scope::kInference},
    handle};

}  // namespace maru::api
