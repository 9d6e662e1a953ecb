// The words that BERT's vocabularies are made for (Devlin 2018): cleaned, without accents, in lower
// case, and split at white space, punctuation and ideographs. Pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace maru::text {

// The fields of Hugging Face's BertNormalizer.
struct BertNormalising {
  bool clean_text = true;            // control characters go, white space becomes a space
  bool handle_chinese_chars = true;  // an ideograph is a word
  bool strip_accents = true;
  bool lowercase = true;
};

// `text` must be valid UTF-8; the result is.
std::string bert_normalise(std::string_view text, const BertNormalising& how);

// Views into `text`, which must be valid UTF-8: what stands between white space, a character of
// punctuation being a word by itself.
std::vector<std::string_view> bert_words(std::string_view text);

}  // namespace maru::text
