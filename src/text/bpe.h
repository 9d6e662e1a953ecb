// Byte-pair encoding of one word (Sennrich et al. 2016, arXiv:1508.07909): start from the word's
// symbols, then join the neighbours of the lowest rank, leftmost first, until none can be joined.
// Covers byte-level BPE (symbols are bytes), and SentencePiece's (symbols are characters, unknown
// ones fall back to bytes). Immutable; thread-safe with one Scratch per thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer_vocabulary.h"

namespace maru::text {

struct BpeMerge {
  TokenId left, right, joined;
  uint32_t rank;  // lower first; equal ranks join leftmost first
};

struct BpeOptions {
  bool byte_level = true;      // symbols are bytes, else characters
  bool ignore_merges = false;  // a word that is a token stays whole
  bool fuse_unknown = false;   // one unknown token for neighbouring unknown characters
  TokenId unknown = kNoToken;  // without it, unknown symbols give no token
  // Token of each byte for characters that are no token (not used when byte_level).
  bool byte_fallback = false;
  std::array<TokenId, 256> byte_tokens{};
};

class Bpe {
 public:
  // `units[id]`: what the token stands for in the words given to encode(): bytes if byte_level,
  // else its spelling. Empty: the token never comes from text.
  Bpe(std::vector<std::string> units, const std::vector<BpeMerge>& merges,
      const BpeOptions& options);

  // Work space and a cache of recent words; reused between words of one text.
  class Scratch {
   public:
    explicit Scratch(size_t text_bytes);

   private:
    friend class Bpe;
    struct Link {
      TokenId id;
      uint32_t prev, next;
    };
    struct Candidate {
      uint64_t order;  // rank, then position
      TokenId left, right, joined;
    };
    struct CachedWord {
      uint64_t hash = 0;
      uint8_t n_bytes = 0, n_ids = 0;
      std::array<char, 22> bytes{};
      std::array<TokenId, 8> ids{};
    };
    std::vector<TokenId> symbols_;
    std::vector<uint64_t> pairs_;  // rank << 32 | joined
    std::vector<Link> links_;
    std::vector<Candidate> heap_;
    std::vector<CachedWord> cache_;  // a power of two, or empty
  };

  // Appends the ids of `word` (valid UTF-8 unless byte_level) to `out`.
  void encode(std::string_view word, Scratch& scratch, std::vector<TokenId>& out) const;

 private:
  struct PairSlot {
    uint64_t pair = kNoPair;
    uint64_t value = kNoMerge;
  };
  static constexpr uint64_t kNoPair = ~uint64_t{0};
  static constexpr uint64_t kNoMerge = ~uint64_t{0};

  void add_pair(const BpeMerge& merge);
  uint64_t find_pair(TokenId left, TokenId right) const;  // rank << 32 | joined, or kNoMerge
  void find_cuts(const std::vector<BpeMerge>& merges);
  bool can_cut(std::string_view word, size_t at) const;

  void encode_uncut(std::string_view word, Scratch& scratch, std::vector<TokenId>& out) const;
  void encode_fresh(std::string_view word, Scratch& scratch, std::vector<TokenId>& out) const;
  void add_symbols(std::string_view word, std::vector<TokenId>& symbols) const;
  void add_characters(std::string_view word, std::vector<TokenId>& symbols) const;
  void join_short(Scratch& scratch) const;
  void join_long(Scratch& scratch) const;
  void push_candidate(Scratch& scratch, uint32_t position) const;

  BpeOptions options_;
  std::vector<std::string> units_;
  StringIds unit_ids_;
  std::array<TokenId, 256> byte_symbols_{};
  std::vector<PairSlot> pairs_;
  bool cuts_words_ = false;
  std::vector<uint32_t> no_cut_behind_;  // characters, sorted
};

}  // namespace maru::text
