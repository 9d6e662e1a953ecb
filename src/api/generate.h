// Runs the answers of one chat or completion call: starts them, gathers their events on the
// connection's executor, and writes one JSON body or a stream of server-sent events.
#pragma once

#include <functional>
#include <memory>

#include "api/endpoint.h"
#include "api/wire/answers.h"
#include "api/wire/requests.h"

namespace maru::api {

using FormatFactory = std::unique_ptr<AnswerFormat> (*)(AnswerHead head);
using CallParser = GenerationCall (*)(const Json& body, class Problems& problems);

// Parses, starts and answers; to be called on a worker.
void generate(const Call& call, CallParser parse, FormatFactory make_format,
              std::string_view id_prefix);

}  // namespace maru::api
