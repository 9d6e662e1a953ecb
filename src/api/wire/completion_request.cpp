#include <algorithm>
#include <limits>

#include "api/wire/requests.h"
#include "base/json.h"
#include "base/log.h"

namespace maru::api {
namespace {

constexpr uint32_t kDefaultMaxTokens = 16;  // OpenAI's

constexpr FieldSpec kFields[] = {
    {"prompt", Support::kSupported},
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
    {"best_of", Support::kSupported},  // equal to n only
    {"max_tokens", Support::kSupported},
    {"echo", Support::kSupported},
    {"logprobs", Support::kSupported},
    {"presence_penalty", Support::kSupported},
    {"frequency_penalty", Support::kSupported},
    {"repetition_penalty", Support::kSupported},
    {"logit_bias", Support::kSupported},
    {"stream", Support::kSupported},
    {"stream_options", Support::kSupported},
    {"user", Support::kSupported},
    {"suffix", Support::kRefused},
};

void parse_prompts(ObjectReader& body, GenerationCall& call) {
  body.require("prompt");
  const Json* prompt = body.find("prompt");
  if (!prompt) return;
  if (prompt->is_string()) {
    call.prompts.emplace_back(prompt->get<std::string>());
    return;
  }
  if (!prompt->is_array()) {
    return body.wrong_type("prompt", "a string, token ids, or an array of either");
  }
  if (prompt->empty()) return body.wrong_value("prompt", "is an empty array");
  if (prompt->front().is_number()) {
    call.prompts.emplace_back(parse_token_ids(*prompt, "prompt", body.problems()));
    return;
  }
  if (prompt->size() > kMaxPrompts) {
    return body.wrong_value(
        "prompt", fmt::format("may hold {} prompts, not {}", kMaxPrompts, prompt->size()));
  }
  for (size_t i = 0; i < prompt->size(); ++i) {
    const Json& item = (*prompt)[i];
    const std::string path = fmt::format("prompt[{}]", i);
    if (item.is_string() && prompt->front().is_string()) {
      call.prompts.emplace_back(item.get<std::string>());
    } else if (item.is_array() && prompt->front().is_array()) {
      if (item.empty()) body.problems().add(path, "invalid_value", "'" + path + "' is empty");
      call.prompts.emplace_back(parse_token_ids(item, path, body.problems()));
    } else {
      body.problems().add(
          path, "invalid_type",
          fmt::format("'{}' must be {}, not {}", path,
                      prompt->front().is_array() ? "an array of token ids" : "a string",
                      json_type_name(item)));
      return;
    }
  }
}

}  // namespace

std::span<const FieldSpec> completion_fields() { return kFields; }

GenerationCall parse_completion(const Json& json, Problems& problems) {
  GenerationCall call;
  ObjectReader body(json, "", problems);
  body.check_fields(kFields);
  parse_shared(body, call);
  parse_prompts(body, call);
  call.base.max_tokens =
      static_cast<uint32_t>(body.integer("max_tokens", 0, std::numeric_limits<int32_t>::max())
                                .value_or(kDefaultMaxTokens));
  call.base.echo = body.boolean("echo").value_or(false);
  if (const auto logprobs = body.integer("logprobs", 0, 5)) {
    call.base.logprobs = true;
    call.base.n_top_logprobs = static_cast<uint32_t>(*logprobs);
  }
  if (const auto best_of = body.integer("best_of", 1, kMaxChoices)) {
    if (*best_of < call.n) {
      body.wrong_value("best_of", fmt::format("must not be less than 'n', which is {}", call.n));
    } else if (*best_of > call.n) {
      problems.add("best_of", "unsupported_parameter", "'best_of' must be equal to 'n'");
    }
  }
  return call;
}

}  // namespace maru::api
