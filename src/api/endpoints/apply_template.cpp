// POST /apply-template {"messages", "chat_template_kwargs", "add_generation_prompt", "model"}
// -> {"prompt"}: the text that a chat call with these messages would give to the model.
#include "api/endpoint.h"
#include "api/wire/body.h"
#include "api/wire/requests.h"
#include "api/with_model.h"
#include "base/json.h"

namespace maru::api {
namespace {

constexpr FieldSpec kFields[] = {{"messages", Support::kSupported},
                                 {"chat_template_kwargs", Support::kSupported},
                                 {"add_generation_prompt", Support::kSupported},
                                 {"model", Support::kSupported}};

void handle(const Call& call) {
  const auto json = parse_body(call.request.body);
  if (!json) return call.fail(to_api_error(json.error()));
  Problems problems;
  ObjectReader body(*json, "", problems);
  body.check_fields(kFields);
  const service::ChatPrompt chat = parse_chat_prompt(body);
  const bool generation_prompt = body.boolean("add_generation_prompt").value_or(true);
  const std::string name = body.string("model").value_or("");
  if (problems.any()) return call.fail(problems.first());
  with_model(call, name, false, [=](const Call& ready, const service::ModelUse& model) {
    const auto pieces = ready.context->service->render_chat(*model, chat, generation_prompt);
    if (!pieces) return ready.fail(to_api_error(pieces.error()));
    std::string prompt;
    for (const text::RenderedPiece& piece : *pieces) prompt += piece.text;
    ready.answer(dump_json(Json{{"prompt", std::move(prompt)}}));
  });
}

}  // namespace

extern const Endpoint endpoint_apply_template;
constinit const Endpoint endpoint_apply_template{"apply_template",
                                                 "POST",
                                                 "/apply-template",
                                                 Run::kWorker,
                                                 {Who::kCaller, Scope::kInference},
                                                 handle};

}  // namespace maru::api
