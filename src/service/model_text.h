// The part of a model that is not weights: tokenizer, chat template, end tokens, licence. Knows
// where GGUF files and Hugging Face folders keep them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "service/model_store.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace maru::service {

struct ModelText {
  std::shared_ptr<const text::Tokenizer> tokenizer;
  std::shared_ptr<const text::ChatTemplate> chat_template;  // null: none
  std::string template_origin;            // "model", "chatml", a file; empty: none
  std::vector<text::TokenId> end_tokens;  // tokenizer's, generation_config's and config's
  std::string licence;                    // as the files state it, or empty
};

// The tokenizer alone. Errors: as Tokenizer::from_*.
Result<std::shared_ptr<const text::Tokenizer>> load_tokenizer(const ModelLocation& location);

// Whether the model has a row for each token that a text can yield. Control tokens may lie beyond
// it: Gemma's tokenizer names one for images that the model without eyes has no row for. Errors:
// kCorrupt with the token.
Status check_vocabulary(const ModelLocation& location, const text::Tokenizer& tokenizer,
                        uint32_t vocab_size);

// The text of the model's own chat template; empty if it has none. Errors: as load_model_text().
Result<std::string> read_template_source(const ModelLocation& location);

// `default_template` is used where the model has none: the name of a built-in ("chatml", "plain"),
// a file, or empty for none. Errors: kNotFound and kCorrupt (a file), kInvalidArgument (a template
// that can't be compiled, with its line).
Result<ModelText> load_model_text(const ModelLocation& location,
                                  const std::string& default_template);

// A built-in template's source; null if there is none of this name.
const char* find_builtin_template(const std::string& name);

}  // namespace maru::service
