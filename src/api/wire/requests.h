// Wire JSON -> native requests. Each parser checks every field and names what is wrong.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "api/wire/fields.h"
#include "service/generation.h"

namespace maru::api {

// One call of an endpoint that generates: `prompts.size() * n` answers.
struct GenerationCall {
  service::GenerationRequest base;  // its prompt is set per answer, its seed varied
  std::vector<service::Prompt> prompts;
  uint32_t n = 1;
  bool has_seed = false;
  bool stream = false;
  bool include_usage = false;
};

// The limits below are Maru's own where OpenAI names none.
inline constexpr int64_t kMaxChoices = 16;
inline constexpr size_t kMaxPrompts = 64;
inline constexpr size_t kMaxMessages = 4096;
inline constexpr size_t kMaxStops = 4;
inline constexpr size_t kMaxStopBytes = 1024;
inline constexpr size_t kMaxLogitBiases = 1024;

std::span<const FieldSpec> chat_fields();
std::span<const FieldSpec> completion_fields();

// What comes back is of use only if `problems` stays empty.
GenerationCall parse_chat(const Json& body, Problems& problems);
GenerationCall parse_completion(const Json& body, Problems& problems);

// Checks "messages" and gives them as templates want them: content as one string, the arguments
// of tool calls as objects.
Json parse_messages(ObjectReader& body);
service::ChatPrompt parse_chat_prompt(ObjectReader& body);

// Fields that chat and completions share: model, sampling, stop, n, stream, user.
void parse_shared(ObjectReader& body, GenerationCall& call);

// An array of token ids at `path` ("prompt[2]").
std::vector<text::TokenId> parse_token_ids(const Json& array, const std::string& path,
                                           Problems& problems);

}  // namespace maru::api
