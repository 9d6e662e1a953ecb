// Tokens back to text. Immutable; thread-safe with one DecodeState per stream.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/tokenizer_vocabulary.h"

namespace maru::text {

// What a chain of Hugging Face's decoders comes to.
struct DecoderSpec {
  enum class Join {
    kBytes,   // tokens are bytes in GPT-2's alphabet
    kPieces,  // tokens are text
    kSpaced,  // tokens are words (a tokenizer.json without decoder)
  };
  Join join = Join::kPieces;
  std::vector<std::pair<std::string, std::string>> replacements = {};  // in each token, in order
  bool byte_fallback = false;          // tokens spelled <0x0A> are bytes
  uint32_t n_leading_spaces = 0;       // left out at the start of the whole text, at most
  std::string first_token_drops = {};  // left out wherever it stands in the first token
};

// The byte of a token spelled <0x0A>.
std::optional<uint8_t> byte_of_token(std::string_view text);
// GPT-2's alphabet: every byte as a printable character. Null for a text with any other character.
std::optional<std::string> bytes_of_alphabet(std::string_view text);

class Decoder {
 public:
  Decoder() = default;
  Decoder(const Vocabulary& vocabulary, DecoderSpec spec);

  std::string_view bytes(TokenId id) const { return bytes_[static_cast<size_t>(id)]; }
  void next(DecodeState& state, TokenId id, std::string_view spelling, std::string& out) const;
  void end(DecodeState& state, std::string& out) const;

 private:
  void put(DecodeState& state, std::string_view text, std::string& out) const;

  DecoderSpec spec_;
  std::vector<std::string> bytes_;
  std::vector<bool> is_byte_;
};

}  // namespace maru::text
