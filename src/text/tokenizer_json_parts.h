// The pipeline of a tokenizer.json: normaliser, pre-tokenizer, decoder and post-processor. What is
// not supported is refused by name.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "text/pretokenizer.h"
#include "text/tokenizer_decoder.h"
#include "text/tokenizer_normaliser.h"

namespace maru::text {

// Null if `object` is no object, or the member is absent or null.
const SortedJson* find_member(const SortedJson& object, const char* name);
bool get_flag(const SortedJson& object, const char* name, bool otherwise);
// The member "type", for messages and dispatch; "(none)" without one.
std::string type_name(const SortedJson& object);

Error corrupt(const std::string& where, const std::string& expected);
Error unsupported(const std::string& kind, const std::string& name);

struct ReadPretokenizer {
  std::vector<std::unique_ptr<PretokenizerStep>> steps;
  bool byte_level = false;  // words are bytes in GPT-2's alphabet
};

Result<std::vector<std::unique_ptr<NormaliserStep>>> read_normaliser(const SortedJson& root);
Result<ReadPretokenizer> read_pretokenizer(const SortedJson& root);
Result<DecoderSpec> read_decoder(const SortedJson& root);

// What the post-processor puts before and behind a text.
struct TemplateTokens {
  std::optional<std::string> first, last;
};
TemplateTokens read_template_tokens(const SortedJson& root);

}  // namespace maru::text
