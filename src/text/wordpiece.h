// Texts to the token ids of an encoder of the BERT family: WordPiece (Wu 2016, longest match first)
// between control tokens, with the type of each token. Equal to Hugging Face's tokenizers with
// encode_special_tokens: what a person wrote never becomes a control token.
// Immutable after load; thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/bert_words.h"
#include "text/tokenizer_vocabulary.h"

namespace maru::text {

// What an encoder reads.
struct EncoderInput {
  std::vector<TokenId> tokens;
  std::vector<uint8_t> types;  // one for each token: 0, or 1 in the second text of a pair
};

// A control token, or the place of a text: one part of what a template puts together.
struct TemplatePart {
  std::optional<TokenId> token;  // none: a text
  bool is_second = false;        // of a pair's texts
  uint8_t type = 0;
};

struct WordPieceParts {
  Vocabulary vocabulary;
  TokenId unknown = kNoToken;
  std::string continuation = "##";  // in front of a token that is not a word's first
  size_t max_word_characters = 100;
  BertNormalising normalising;
  std::vector<TemplatePart> single, pair;
};

class WordPieceTokenizer {
 public:
  explicit WordPieceTokenizer(WordPieceParts parts) : parts_(std::move(parts)) {}

  // tokenizer.json of the folder, else its vocab.txt with do_lower_case of tokenizer_config.json.
  // Errors: kNotFound (neither is there), kCorrupt (names the key), kInvalidArgument (another kind
  // of tokenizer, by name).
  static Result<std::unique_ptr<WordPieceTokenizer>> from_folder(const std::string& folder);
  static Result<std::unique_ptr<WordPieceTokenizer>> from_json(std::string_view tokenizer_json);
  // One token a line, the line's number being its id. Errors: kCorrupt (a control token is
  // missing).
  static Result<std::unique_ptr<WordPieceTokenizer>> from_vocabulary(std::string_view lines,
                                                                     bool lowercase);

  // The tokens of the text alone. What is not UTF-8 counts as U+FFFD.
  std::vector<TokenId> encode(std::string_view text) const;

  // Tokens of one text or of a pair, with what the template puts around them.
  EncoderInput arrange(std::vector<TokenId> text) const;
  EncoderInput arrange(const std::vector<TokenId>& first, const std::vector<TokenId>& second) const;
  // How many tokens the template adds.
  size_t n_added(bool is_pair) const;

  size_t size() const { return parts_.vocabulary.size(); }
  const std::string& token_text(TokenId id) const { return parts_.vocabulary.text(id); }

 private:
  void encode_word(std::string_view word, std::string& key, std::vector<TokenId>& out) const;

  WordPieceParts parts_;
};

}  // namespace maru::text
