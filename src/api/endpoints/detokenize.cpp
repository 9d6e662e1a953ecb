// POST /detokenize {"tokens", "model"} -> {"content"}; bytes that form no character become U+FFFD,
// control tokens are spelled out.
#include "api/endpoint.h"
#include "api/wire/body.h"
#include "api/wire/requests.h"
#include "api/with_model.h"
#include "base/json.h"
#include "base/log.h"

namespace maru::api {
namespace {

constexpr FieldSpec kFields[] = {{"tokens", Support::kSupported}, {"model", Support::kSupported}};

void spell(const Call& call, const text::Tokenizer& tokenizer,
           const std::vector<text::TokenId>& tokens) {
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (static_cast<size_t>(tokens[i]) < tokenizer.size()) continue;
    const std::string path = fmt::format("tokens[{}]", i);
    Problems problems;
    problems.add(path, "invalid_value",
                 fmt::format("'{}' is {}; the vocabulary ends at {}", path, tokens[i],
                             tokenizer.size() - 1));
    return call.fail(problems.first());
  }
  call.answer(dump_json(Json{{"content", tokenizer.decode(tokens, /*with_special=*/true)}}));
}

void handle(const Call& call) {
  const auto json = parse_body(call.request.body);
  if (!json) return call.fail(to_api_error(json.error()));
  Problems problems;
  ObjectReader body(*json, "", problems);
  body.check_fields(kFields);
  body.require("tokens");
  std::vector<text::TokenId> tokens;
  if (const Json* given = body.array("tokens")) {
    tokens = parse_token_ids(*given, "tokens", problems);
  }
  const std::string name = body.string("model").value_or("");
  if (problems.any()) return call.fail(problems.first());
  with_model(call, name, false, [tokens](const Call& ready, const service::ModelUse& model) {
    spell(ready, *model->tokenizer, tokens);
  });
}

}  // namespace

extern const Endpoint endpoint_detokenize;
constinit const Endpoint endpoint_detokenize{
    "detokenize", "POST", "/detokenize", Run::kWorker, {Who::kCaller, Scope::kInference}, handle};

}  // namespace maru::api
