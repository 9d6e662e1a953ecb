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

// A piece of a rendered prompt. Control tokens (special ones, and others spelled <|...|>) are
// recognised in trusted text only; what a user wrote stays plain text, whatever it spells.
struct Segment {
  std::string_view text;
  bool trusted;
};

// What stands beside tokenizer.json and names the special tokens. Absent: taken from the
// post-processor of tokenizer.json and from well-known spellings.
struct TokenizerConfig {
  std::optional<std::string> bos_token, eos_token;
  std::optional<bool> add_bos_token;
};

// How far the decoding of a stream of tokens has come; belongs to Tokenizer::decode_next.
struct DecodeState {
  bool at_start = true;     // no token has been decoded
  uint32_t n_stripped = 0;  // leading spaces left out
  std::string bytes;        // not yet whole characters
};

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // Errors: kNotFound, kCorrupt (names the key), kInvalidArgument (a model type, normaliser or
  // pre-tokenizer that is not supported, by name).
  // from_json_file also reads tokenizer_config.json and special_tokens_map.json beside the file.
  static Result<std::unique_ptr<Tokenizer>> from_json_file(const std::string& path);
  static Result<std::unique_ptr<Tokenizer>> from_json(std::string_view tokenizer_json,
                                                      const TokenizerConfig& config = {});
  static Result<std::unique_ptr<Tokenizer>> from_gguf(const formats::GgufFile& file);

  // Plain text: nothing is added, no control token is recognised.
  std::vector<TokenId> encode(std::string_view text) const;
  // Segments are joined as if they were one text; only trusted ones may yield control tokens.
  // Invalid UTF-8 is encoded as U+FFFD, as Hugging Face does after decoding with "replace".
  virtual std::vector<TokenId> encode(std::span<const Segment> segments) const = 0;

  // The bytes that a token stands for in running text; empty for control tokens.
  // SentencePiece's leading space is kept; see decode() for the start of a text.
  virtual std::string_view token_bytes(TokenId id) const = 0;
  // The text of all ids, control tokens as their spelling if `with_special`; ids that are no token
  // give nothing. Equal to Hugging Face's decode without clean-up: always valid UTF-8, U+FFFD
  // for what is none. (Only in a run of more than 64 byte tokens a character before an invalid
  // byte survives, so that a stream never waits longer.)
  std::string decode(std::span<const TokenId> ids, bool with_special) const;
  // The same for a stream: appends what becomes certain with this token, whole characters only.
  virtual void decode_next(DecodeState& state, TokenId id, bool with_special,
                           std::string& out) const = 0;
  // Appends the rest at the end of the stream.
  virtual void decode_end(DecodeState& state, std::string& out) const = 0;

  virtual size_t size() const = 0;                            // ids are 0 .. size()-1
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

// Whether the same ids stand for the same tokens.
bool same_vocabulary(const Tokenizer& a, const Tokenizer& b);

}  // namespace maru::text
