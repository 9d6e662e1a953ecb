// A served model as GET /v1/models lists it.
#pragma once

#include "base/json_fwd.h"
#include "service/generation.h"

namespace maru::api {

Json model_json(const service::ServedModel& model);

}  // namespace maru::api
