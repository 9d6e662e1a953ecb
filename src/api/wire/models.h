// A model as GET /v1/models lists it.
#pragma once

#include "base/json_fwd.h"
#include "service/embedding.h"
#include "service/model_pool.h"

namespace maru::api {

// OpenAI's fields, and "maru" with what it has no place for.
Json model_json(const service::ModelStatus& model, const service::ModelFacts& facts);
Json model_json(const service::ServedEncoder& model);

}  // namespace maru::api
