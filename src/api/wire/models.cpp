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

}  // namespace maru::api
