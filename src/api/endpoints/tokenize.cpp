// POST /tokenize {"content", "parse_special": false, "model"} -> {"tokens"}
#include "api/endpoint.h"
#include "api/wire/body.h"
#include "api/wire/fields.h"
#include "api/with_model.h"
#include "base/json.h"

namespace maru::api {
namespace {

constexpr FieldSpec kFields[] = {{"content", Support::kSupported},
                                 {"parse_special", Support::kSupported},
                                 {"model", Support::kSupported}};

void handle(const Call& call) {
  const auto json = parse_body(call.request.body);
  if (!json) return call.fail(to_api_error(json.error()));
  Problems problems;
  ObjectReader body(*json, "", problems);
  body.check_fields(kFields);
  body.require("content");
  const std::string content = body.string("content").value_or("");
  const bool parse_special = body.boolean("parse_special").value_or(false);
  const std::string name = body.string("model").value_or("");
  if (problems.any()) return call.fail(problems.first());
  with_model(call, name, false, [=](const Call& ready, const service::ModelUse& model) {
    const text::Segment segment{content, parse_special};
    ready.answer(dump_json(Json{{"tokens", model->tokenizer->encode({&segment, 1})}}));
  });
}

}  // namespace

extern const Endpoint endpoint_tokenize;
constinit const Endpoint endpoint_tokenize{
    "tokenize", "POST", "/tokenize", Run::kWorker, {Who::kCaller, Scope::kInference}, handle};

}  // namespace maru::api
