// The tokenizer that both loaders build: normalise, split, encode each word by BPE.
// Immutable; thread-safe.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/bpe.h"
#include "text/pretokenizer.h"
#include "text/tokenizer.h"
#include "text/tokenizer_added.h"
#include "text/tokenizer_decoder.h"
#include "text/tokenizer_normaliser.h"
#include "text/tokenizer_vocabulary.h"

namespace maru::text {

struct TokenizerParts {
  Vocabulary vocabulary;
  std::unique_ptr<Bpe> bpe;
  AddedTokens added;             // found in the text as it is
  AddedTokens normalised_added;  // found after normalising; none of them guarded
  std::vector<std::unique_ptr<NormaliserStep>> normaliser;
  std::vector<std::unique_ptr<PretokenizerStep>> pretokenizer;
  Decoder decoder;
  std::optional<TokenId> bos, eos;
  std::vector<TokenId> end_tokens;
  bool adds_bos = false;
};

class BpeTokenizer : public Tokenizer {
 public:
  explicit BpeTokenizer(TokenizerParts parts) : parts_(std::move(parts)) {}

  using Tokenizer::encode;
  std::vector<TokenId> encode(std::span<const Segment> segments) const override;
  std::string_view token_bytes(TokenId id) const override;
  void decode_next(DecodeState& state, TokenId id, bool with_special,
                   std::string& out) const override;
  void decode_end(DecodeState& state, std::string& out) const override;
  size_t size() const override { return parts_.vocabulary.size(); }
  std::string_view token_text(TokenId id) const override;
  bool is_control(TokenId id) const override;
  std::optional<TokenId> find_token(std::string_view spelling) const override;
  std::optional<TokenId> bos() const override { return parts_.bos; }
  std::optional<TokenId> eos() const override { return parts_.eos; }
  std::vector<TokenId> end_tokens() const override { return parts_.end_tokens; }
  bool adds_bos() const override { return parts_.adds_bos; }

 private:
  void encode_section(std::string_view text, bool at_start, Bpe::Scratch& scratch,
                      std::vector<TokenId>& out) const;
  void encode_words(std::string_view text, bool at_start, Bpe::Scratch& scratch,
                    std::vector<TokenId>& out) const;

  TokenizerParts parts_;
};

// Whether an added token that is not marked special still steers a model by its spelling (<|...|>,
// <｜...｜>): chat turns of DeepSeek, fill-in-the-middle of Qwen. Such a token is guarded.
bool looks_like_control(std::string_view spelling);

// `eos`, the further ids, and the control tokens that are known to end an answer. No duplicates.
std::vector<TokenId> find_end_tokens(const Vocabulary& vocabulary, std::optional<TokenId> eos,
                                     std::vector<TokenId> further);

// Pairs that join to each token, for models that rank tokens and not pairs (SentencePiece): the
// rank of a pair is that of the token it gives. `rank[id]`; tokens without a unit take no part.
std::vector<BpeMerge> merges_from_ranks(const std::vector<std::string>& units,
                                        const std::vector<uint32_t>& rank);

}  // namespace maru::text
