#include <limits>

#include "api/wire/requests.h"
#include "base/json.h"

namespace maru::api {
namespace {

bool is_false(const Json& v) { return v == false; }
bool is_true(const Json& v) { return v == true; }
bool is_empty_array(const Json& v) { return v.is_array() && v.empty(); }
bool is_none(const Json& v) { return v == "none"; }

constexpr FieldSpec kFields[] = {
    {"messages", Support::kSupported},
    {"model", Support::kSupported},
    {"temperature", Support::kSupported},
    {"top_p", Support::kSupported},
    {"top_k", Support::kSupported},
    {"min_p", Support::kSupported},
    {"typical_p", Support::kSupported},
    {"seed", Support::kSupported},
    {"stop", Support::kSupported},
    {"ignore_eos", Support::kSupported},
    {"n", Support::kSupported},
    {"max_tokens", Support::kSupported},
    {"max_completion_tokens", Support::kSupported},
    {"presence_penalty", Support::kSupported},
    {"frequency_penalty", Support::kSupported},
    {"repetition_penalty", Support::kSupported},
    {"logit_bias", Support::kSupported},
    {"logprobs", Support::kSupported},
    {"top_logprobs", Support::kSupported},
    {"stream", Support::kSupported},
    {"stream_options", Support::kSupported},
    {"user", Support::kSupported},
    {"chat_template_kwargs", Support::kSupported},
    {"tools", Support::kSupported},  // with tool_choice "none" only, see parse_tools()
    {"tool_choice", Support::kSupported},
    {"metadata", Support::kIgnored},
    {"safety_identifier", Support::kIgnored},
    {"prompt_cache_key", Support::kIgnored},
    {"prompt_cache_retention", Support::kIgnored},
    {"store", Support::kNeutral, is_false},
    {"service_tier", Support::kNeutral,
     [](const Json& v) { return v == "auto" || v == "default"; }},
    {"parallel_tool_calls", Support::kNeutral, is_true},
    {"response_format", Support::kNeutral,
     [](const Json& v) { return v == Json{{"type", "text"}}; }},
    {"modalities", Support::kNeutral, [](const Json& v) { return v == Json::array({"text"}); }},
    {"functions", Support::kNeutral, is_empty_array},
    {"function_call", Support::kNeutral, is_none},
    {"reasoning_effort", Support::kRefused},
    {"verbosity", Support::kRefused},
    {"prediction", Support::kRefused},
    {"audio", Support::kRefused},
    {"web_search_options", Support::kRefused},
    {"moderation", Support::kRefused},
};

// A model that may not call tools need not see them; one that may, cannot yet.
void parse_tools(ObjectReader& body) {
  const Json* tools = body.array("tools");
  const Json* choice = body.find("tool_choice");
  const bool may_call = tools && !tools->empty() && !(choice && is_none(*choice));
  if (may_call) {
    body.problems().add("tools", "unsupported_parameter",
                        "'tools' are not supported unless \"tool_choice\" is \"none\"");
  } else if (choice && !is_none(*choice) && *choice != "auto") {
    body.problems().add("tool_choice", "unsupported_parameter",
                        "'tool_choice' must be \"none\": this server calls no tools");
  }
}

void parse_max_tokens(ObjectReader& body, GenerationCall& call) {
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
  const auto older = body.integer("max_tokens", 1, kMost);
  const auto newer = body.integer("max_completion_tokens", 1, kMost);
  if (older && newer && *older != *newer) {
    body.wrong_value("max_tokens", "and 'max_completion_tokens' differ: send one of them");
  }
  if (const auto most = newer ? newer : older) {
    call.base.max_tokens = static_cast<uint32_t>(*most);
  }
}

}  // namespace

std::span<const FieldSpec> chat_fields() { return kFields; }

GenerationCall parse_chat(const Json& json, Problems& problems) {
  GenerationCall call;
  ObjectReader body(json, "", problems);
  body.check_fields(kFields);
  parse_shared(body, call);
  parse_max_tokens(body, call);
  parse_tools(body);
  body.object("metadata");
  for (const char* name : {"safety_identifier", "prompt_cache_key", "prompt_cache_retention"}) {
    body.string(name);
  }
  call.base.logprobs = body.boolean("logprobs").value_or(false);
  if (const auto n_top = body.integer("top_logprobs", 0, 20)) {
    call.base.n_top_logprobs = static_cast<uint32_t>(*n_top);
    if (*n_top > 0 && !call.base.logprobs) {
      body.wrong_value("top_logprobs", "is allowed only with \"logprobs\": true");
    }
  }
  call.prompts.emplace_back(parse_chat_prompt(body));
  return call;
}

}  // namespace maru::api
