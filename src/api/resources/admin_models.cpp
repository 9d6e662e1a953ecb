// What administrators see of the models, and may do with them: load and unload.
#include "api/account_answers.h"
#include "api/wire/models.h"
#include "api/with_model.h"

namespace maru::api {
namespace {

constexpr Access kLook{Who::kAuditor, Scope::kAdmin};
constexpr Access kAct{Who::kAdmin, Scope::kAdmin};

Json status_json(const service::ModelPool& models, const service::ModelStatus& model) {
  Json json = model_json(model, models.facts(model.name));
  if (!json["maru"]["error"].is_null()) {
    Error problem = models.facts(model.name).problem;
    if (problem.message.empty()) problem = model.last_error;
    problem.reason = reason_of_model(model.name, problem);
    add_reason(json["maru"]["error"], problem);
  }
  json["maru"]["requests"] = model.n_uses;
  json["maru"]["last_used_at"] = model.last_used_ms == 0 ? Json(nullptr) : Json(model.last_used_ms);
  json["maru"]["idle_minutes"] = model.policy.idle_limit.count();
  return json;
}

void answer_status(const Call& call, const std::string& name) {
  const service::ModelPool& models = call.context->service->models();
  for (const service::ModelStatus& model : models.list()) {
    if (model.name == name) return call.answer(dump_json(status_json(models, model)));
  }
  call.fail(to_api_error(Error{ErrorCode::kNotFound, "the model '" + name + "' is gone",
                               "GET /v1/models lists what is served", "model",
                               Reason{"model_unknown", {{"model", name}}}}));
}

void list_models(const Call& call) {
  const service::ModelPool& models = call.context->service->models();
  answer_with_list(call, Result<std::vector<service::ModelStatus>>(models.list()),
                   [&](const service::ModelStatus& model) { return status_json(models, model); });
}

void load_model(const Call& call) {
  with_model(
      call, call.path_arguments[0], false,
      [](const Call& ready, const service::ModelUse& model) { answer_status(ready, model->name); });
}

void unload_model(const Call& call) {
  const auto name = find_model(call, call.path_arguments[0]);
  if (!name) return call.fail(to_api_error(name.error()));
  const Status status = call.context->service->models().unload(*name);
  if (!status) return call.fail(to_api_error(status.error()));
  answer_status(call, *name);
}

constexpr Endpoint kEndpoints[] = {
    {"admin_models", "GET", "/api/admin/models", Run::kWorker, kLook, list_models},
    {"admin_model_load", "POST", "/api/admin/models/{model...}/load", Run::kWorker, kAct,
     load_model, Body::kAny},
    {"admin_model_unload", "POST", "/api/admin/models/{model...}/unload", Run::kSlow, kAct,
     unload_model, Body::kAny},
};

}  // namespace

extern const Resource resource_admin_models;
constinit const Resource resource_admin_models{kEndpoints};

}  // namespace maru::api
