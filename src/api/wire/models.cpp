#include "api/wire/models.h"

#include "base/json.h"

namespace maru::api {

Json model_json(const service::ServedModel& model) {
  Json json;
  json["id"] = model.name;
  json["object"] = "model";
  json["created"] = model.created_unix_seconds;
  json["owned_by"] = "maru";
  json["context_length"] = model.context_length;  // beyond OpenAI's fields
  return json;
}

Json model_json(const service::ServedEncoder& model) {
  return Json{{"id", model.name},
              {"object", "model"},
              {"created", model.created_unix_seconds},
              {"owned_by", "maru"},
              {"context_length", model.encoder->info().max_tokens}};
}

}  // namespace maru::api
