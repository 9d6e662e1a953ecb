// Text <-> token ids. One interface over byte-level BPE and SentencePiece-style BPE with byte
// fallback; loaded from a Hugging Face tokenizer.json or a GGUF file's metadata.
// Immutable after load; thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "formats/gguf.h"

namespace maru::text {

using TokenId = int32_t;

// A piece of a rendered prompt. Control tokens are recognised in trusted text only; what a user
// wrote stays plain text, whatever it spells.
struct Segment {
  std::string_view text;
  bool trusted;
};

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // Errors: kNotFound, kCorrupt (names the key), kInvalidArgument (a model type, normaliser or
  // pre-tokenizer that is not supported, by name).
  static Result<std::unique_ptr<Tokenizer>> from_json_file(const std::string& path);
  static Result<std::unique_ptr<Tokenizer>> from_json(std::string_view tokenizer_json);
  static Result<std::unique_ptr<Tokenizer>> from_gguf(const formats::GgufFile& file);

  // Plain text: nothing is added, no control token is recognised.
  std::vector<TokenId> encode(std::string_view text) const;
  // Segments are joined as if they were one text; only trusted ones may yield control tokens.
  // Invalid UTF-8 is encoded as U+FFFD, as Hugging Face does after decoding with "replace".
  virtual std::vector<TokenId> encode(std::span<const Segment> segments) const = 0;

  // The bytes that a token stands for in running text; empty for control tokens.
  // SentencePiece's leading space is kept; see decode() for the start of a text.
  virtual std::string_view token_bytes(TokenId id) const = 0;
  // The bytes of all ids, control tokens as their spelling if `with_special`. May end inside a
  // character (the caller decides), equal to Hugging Face's decode otherwise.
  virtual std::string decode(std::span<const TokenId> ids, bool with_special) const = 0;

  virtual size_t size() const = 0;                        // ids are 0 .. size()-1
  virtual std::string_view token_text(TokenId id) const = 0;  // spelling in the vocabulary
  virtual bool is_control(TokenId id) const = 0;
  virtual std::optional<TokenId> find_token(std::string_view spelling) const = 0;

  virtual std::optional<TokenId> bos() const = 0;
  virtual std::optional<TokenId> eos() const = 0;
  // All tokens that end an answer: eos, end of turn, end of message, as the files name them.
  virtual std::vector<TokenId> end_tokens() const = 0;
  // Whether a bare prompt (no chat template) starts with bos by the model's own configuration.
  virtual bool adds_bos() const = 0;
};

}  // namespace maru::text
