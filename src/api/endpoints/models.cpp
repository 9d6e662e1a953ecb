// GET /v1/models
#include "api/wire/models.h"

#include "api/endpoint.h"
#include "base/json.h"

namespace maru::api {
namespace {

// Served beside the pool, which finds its folder too.
bool is_encoder(const Call& call, const std::string& name) {
  const auto& encoders = call.context->encoders;
  return encoders && (encoders->find(name, false) || encoders->find(name, true));
}

void handle(const Call& call) {
  Json data = Json::array();
  const service::ModelPool& models = call.context->service->models();
  for (const service::ModelStatus& model : models.list()) {
    if (!call.identity.may_use_model(model.name) || is_encoder(call, model.name)) continue;
    data.push_back(model_json(model, models.facts(model.name)));
  }
  if (call.context->encoders) {
    for (const auto& model : call.context->encoders->models()) {
      if (call.identity.may_use_model(model->name)) data.push_back(model_json(*model));
    }
  }
  call.answer(dump_json(Json{{"object", "list"}, {"data", std::move(data)}}));
}

}  // namespace

extern const Endpoint endpoint_models;
constinit const Endpoint endpoint_models{
    "models", "GET", "/v1/models", Run::kWorker, {Who::kCaller, Scope::kInference}, handle};

}  // namespace maru::api
