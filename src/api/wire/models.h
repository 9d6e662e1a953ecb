// A served model as GET /v1/models lists it.
#pragma once

#include "base/json_fwd.h"
#include "service/embedding.h"
#include "service/generation.h"

namespace maru::api {

Json model_json(const service::ServedModel& model);
Json model_json(const service::ServedEncoder& model);

}  // namespace maru::api
